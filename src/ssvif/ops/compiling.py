"""Loops compiled by numba for the processor at hand.

What is compiled is cached in `__pycache__` beside its module, or, where that cannot be written, in the user's cache
folder; NUMBA_CACHE_DIR names another. Kernels hold no lock and have no state: threads may run them at the same time.
numba sees changes of a kernel's own file alone, so a kernel calls nothing from other files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar, cast

from numba import njit
from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])
# a product and a sum become one operation, which rounds once; the order of sums is kept
FAST_MATH = frozenset({"contract"})
ANY_ORDER = FAST_MATH | {"reassoc", "nsz"}  # sums of many numbers at once; NaN stays NaN
log = logging.getLogger("ssvif")


def compiled(function: Function, fast_math: frozenset[str] = FAST_MATH) -> Function:
    """Return a function of arrays and numbers as a kernel, compiled when it is first called."""
    compiler = partial(njit, nogil=True, error_model="numpy", fastmath=set(fast_math))
    try:
        return cast(Function, compiler(cache=True)(function))
    except RuntimeError:
        _log_missing_cache()
        return cast(Function, compiler()(function))


def formula(function: Function) -> Function:
    """Return a function unchanged, for Python and for kernels of the same file to call."""
    return register_jitable(error_model="numpy", fastmath=set(FAST_MATH), forceinline=True)(function)


@cache
def _log_missing_cache() -> None:
    log.info("no folder to cache compiled loops in, which costs seconds each time: set NUMBA_CACHE_DIR to one")
