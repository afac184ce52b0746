"""Checks of arguments."""

import operator

MAX_SEED = 2**63 - 1
"""The largest integer in a settings file."""
MAX_COUNT = 2**32 - 1


def integer(name: str, value: object, low: int, high: int) -> int:
    """Return an integer in this range, also one of NumPy."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected an integer, found {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{name}: expected an integer in {low}..={high}, found {number}")
    return number
