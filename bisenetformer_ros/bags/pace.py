"""Playback rate of a bag."""

import argparse

LOCKSTEP = "lockstep"
"""Publish each image when the result of the previous one has arrived."""


def pace(text: str) -> float | str:
    """Parse a playback rate: a factor above 0, where 1 is the recorded rate, or LOCKSTEP."""
    if text == LOCKSTEP:
        return text
    try:
        factor = float(text)
    except ValueError:
        factor = float("nan")
    if not 0 < factor < float("inf"):
        raise argparse.ArgumentTypeError(f"expected {LOCKSTEP} or a factor above 0, got {text}")
    return factor
