"""All estimators by name, called alike.

An estimator is a function ``f(network, *, seed=0, **parameters) -> Estimate`` whose
parameters have defaults.  `estimator` makes one from a text such as ``"sampling:1000"``
or ``"note-original:q=0.3,unlikely=exact"``.  To join, give the function a line in
`ENTRIES`; it is imported when it is first asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

from conevol.errors import ConevolError
from conevol.estimators.estimate import Estimate
from conevol.network import Ensemble, ReluRNN

__all__ = ["ENTRIES", "Entry", "Estimator", "estimator", "estimator_names"]


class Entry(NamedTuple):
    """Where an estimator is: "module:function", and "module:function" for whole ensembles.

    The second takes (ensemble, *, seed, **parameters) and returns a list of `Estimate`;
    without it the first is called network by network.
    """

    function: str
    ensemble: str | None = None


_HERE = "conevol.estimators."

ENTRIES: dict[str, Entry] = {
    "exact": Entry(_HERE + "baselines:exact", _HERE + "baselines:exact_ensemble"),
    "sampling": Entry(_HERE + "baselines:sampling"),
    "note-original": Entry(
        _HERE + "note_original:note_original", _HERE + "note_original:note_original_ensemble"
    ),
    "note-symmetric": Entry(
        _HERE + "note_symmetric:note_symmetric", _HERE + "note_symmetric:note_symmetric_ensemble"
    ),
    "bounds": Entry(_HERE + "named:bounds"),
    "hybrid": Entry(_HERE + "named:hybrid"),
    "conditional": Entry(_HERE + "named:conditional"),
    "stratified": Entry(_HERE + "named:stratified"),
    "prefix": Entry(_HERE + "named:prefix"),
    "masks": Entry(_HERE + "masks:mask_sequence_accuracy"),
    "propagation": Entry(_HERE + "propagation:propagated_accuracy"),
    "pruning": Entry(_HERE + "pruning:pruned_mixture_accuracy"),
    "top-patterns": Entry(_HERE + "top_patterns:top_patterns_accuracy"),
}


@dataclass(frozen=True)
class Estimator:
    """An estimator with its parameters, as `estimator` makes it.

    Attributes
    ----------
    name : str
        Of the entry.
    parameters : dict
        Those that were given; the others have their defaults.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ",".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}:{given}" if given else self.name

    def __call__(self, network: ReluRNN, seed: int = 0) -> Estimate:
        """Estimate the accuracy of one network."""
        return _load(ENTRIES[self.name].function)(network, seed=seed, **self.parameters)

    def of_ensemble(self, networks: Ensemble, seed: int = 0) -> list[Estimate]:
        """Estimates of all networks of an ensemble; network i gets the seed ``seed + i``.

        Estimators that work on the whole ensemble at once report for each its share of
        the time.
        """
        together = ENTRIES[self.name].ensemble
        if together is not None:
            return _load(together)(networks, seed=seed, **self.parameters)
        return [self(network, seed + i) for i, network in enumerate(networks)]


def estimator_names() -> list[str]:
    """Names that `estimator` knows.

    Examples
    --------
    >>> {"exact", "sampling", "note-original", "note-symmetric"} <= set(estimator_names())
    True
    """
    return sorted(ENTRIES)


def estimator(text: str) -> Estimator:
    """The estimator that a text names: ``NAME`` or ``NAME:value`` or ``NAME:key=value,..``.

    A value without a key is the first parameter's.  Values are read as the type of the
    parameter's default.

    Raises
    ------
    ConevolError
        For an unknown name or parameter, or a value that does not fit.

    Examples
    --------
    >>> from conevol import zoo
    >>> sampling = estimator("sampling:1000")
    >>> result = sampling(zoo.load("4/3"), seed=1)
    >>> result.claim, result.operations
    ('standard error', 72000)
    >>> str(estimator("note-original:q=0.3"))
    'note-original:q=0.3'
    """
    name, _, rest = text.partition(":")
    if name not in ENTRIES:
        raise ConevolError(
            f"unknown estimator {name!r}, expected one of {', '.join(estimator_names())}"
        )
    signature = inspect.signature(_load(ENTRIES[name].function)).parameters
    defaults = {
        key: parameter.default
        for key, parameter in signature.items()
        if key != "seed" and parameter.default is not parameter.empty
    }
    given: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            key, value = next((k for k in defaults if k not in given), ""), part
        if key not in defaults:
            known = ", ".join(f"{k}={v}" for k, v in defaults.items()) or "none"
            raise ConevolError(
                f"estimator {name!r} has no parameter {key or part!r}; it has {known}"
            )
        given[key] = _read(name, key, value, defaults[key])
    return Estimator(name, given)


def _read(name: str, key: str, value: str, default: Any) -> Any:
    """A parameter's value as the type of its default."""
    kind = type(default)
    if kind is bool:
        if value.lower() in ("true", "yes", "1"):
            return True
        if value.lower() in ("false", "no", "0"):
            return False
    elif kind is int:
        # 1e6 is an integer too.
        try:
            if float(value) == int(float(value)):
                return int(float(value))
        except (ValueError, OverflowError):
            pass
    else:
        try:
            return kind(value)
        except ValueError:
            pass
    raise ConevolError(
        f"{key} of estimator {name!r} is {value!r}, expected a {kind.__name__} such as {default}"
    )


def _load(place: str) -> Callable[..., Any]:
    module, function = place.split(":")
    return getattr(import_module(module), function)
