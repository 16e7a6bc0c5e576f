"""Kernels without wrappers for Python, with them."""

from functools import lru_cache

import numba


@lru_cache
def from_python(kernel):
    """A function that Python may call, of an inline or cold kernel, which it may not."""
    return numba.njit(error_model="numpy")(lambda *arguments: kernel(*arguments))
