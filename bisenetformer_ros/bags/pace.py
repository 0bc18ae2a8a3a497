"""How fast a bag is played."""

import argparse

LOCKSTEP = "lockstep"
"""Each image when the result of the one before is there."""


def pace(text: str) -> float | str:
    """An argument of the command line: a factor above 0, where 1 is as recorded, or LOCKSTEP."""
    if text == LOCKSTEP:
        return text
    try:
        factor = float(text)
    except ValueError:
        factor = float("nan")
    if not 0 < factor < float("inf"):
        raise argparse.ArgumentTypeError(f"expected {LOCKSTEP} or a factor above 0, got {text}")
    return factor
