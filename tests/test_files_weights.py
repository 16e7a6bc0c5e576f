"""Three arrays that are, or are not, the weights of one network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conevol.errors import WeightsError
from conevol.files import validate_weights

ONES = {"W_hi": np.ones(2), "W_hh": np.ones((2, 2)), "W_oh": np.ones((3, 2))}
HUGE = 10**400


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"W_hi": 1.0}, r"W_hi has shape \(\), expected \(hidden,\) or \(hidden, 1\)"),
        ({"W_hi": np.ones((1, 2))}, r"W_hi has shape \(1, 2\), expected \(hidden,\)"),
        ({"W_hi": np.ones((2, 1, 1))}, r"W_hi has shape \(2, 1, 1\)"),
        ({"W_hi": []}, r"W_hi is empty, expected at least one neuron \(hidden >= 1\)"),
        ({"W_hi": np.ones(3)}, r"W_hh has shape \(2, 2\), expected \(3, 3\): hidden is 3"),
        ({"W_hh": np.ones((2, 3))}, r"W_hh has shape \(2, 3\), expected \(2, 2\)"),
        ({"W_hh": np.ones(4)}, r"W_hh has shape \(4,\), expected \(2, 2\)"),
        ({"W_hh": [[1, 2], [3]]}, "W_hh is not an array of numbers.*rows of equal length"),
        ({"W_oh": np.ones(2)}, r"W_oh has shape \(2,\), expected \(n, 2\)"),
        ({"W_oh": np.ones((1, 3, 2))}, r"W_oh has shape \(1, 3, 2\), expected \(n, 2\)"),
        ({"W_oh": np.ones((3, 4))}, r"W_oh has shape \(3, 4\), expected \(n, 2\).*W_hi$"),
        ({"W_oh": np.ones((2, 3))}, r"W_oh has shape \(2, 3\), .*transpose it$"),
        ({"W_oh": np.ones((0, 2))}, r"W_oh has no rows, expected .*\(n >= 1\)"),
        ({"W_oh": []}, r"W_oh has shape \(0,\)|W_oh has no rows"),
        ({"W_hh": np.eye(2) * 1j}, r"W_hh is complex \(complex128\).*take the real part"),
        ({"W_hi": ["1", "2"]}, "W_hi has dtype <U1, expected real numbers"),
        ({"W_hi": [True, False]}, "W_hi has dtype bool, expected real numbers"),
        ({"W_hi": [1.0, None]}, r"W_hi\[1\] is None, expected a real number"),
        ({"W_hh": [[1, 2], [3, {"a": 1}]]}, r"W_hh\[1, 1\] is \{'a': 1\}, expected a real"),
        ({"W_hi": {"a": 1}}, r"W_hi is \{'a': 1\}, expected a real number"),
        ({"W_hi": [True, HUGE]}, r"W_hi\[0\] is True, expected a real number"),
        ({"W_hi": [1, HUGE]}, "W_hi has an integer too large for float64"),
        ({"W_hi": [np.inf, 1]}, r"W_hi\[0\] is inf \(1 of 2 entries are not finite\)"),
        ({"W_hi": [[1], [np.nan]]}, r"W_hi\[1, 0\] is nan"),
        ({"W_hh": [[1, -np.inf], [0, np.nan]]}, r"W_hh\[0, 1\] is -inf \(2 of 4 entries"),
        ({"W_oh": np.full((3, 2), np.nan)}, r"W_oh\[0, 0\] is nan \(6 of 6 entries"),
    ],
)
def test_validation_errors(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(WeightsError, match=f"^here: {expected}"):
        validate_weights(**{**ONES, **changed}, source="here")


def test_validated_arrays_are_new_contiguous_float64() -> None:
    W_hh = np.asfortranarray(np.arange(4.0).reshape(2, 2))
    W_oh = np.ones((3, 2), dtype=np.float16)
    hi, hh, oh = validate_weights([[2**70], [1]], W_hh, W_oh)
    assert hi.tolist() == [2.0**70, 1.0]
    assert hi.shape == (2,)
    for array in (hi, hh, oh):
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert not np.shares_memory(hh, W_hh)
    with pytest.raises(WeightsError, match=r"^weights: W_oh"):
        validate_weights([1], [[1]], [[np.nan]])
