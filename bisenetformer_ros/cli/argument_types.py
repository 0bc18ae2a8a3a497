"""What several commands take as an argument, from the text on the command line."""

import argparse


def share(text: str) -> float:
    """An argument of 0..1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number of 0..1, got {text}")
    return value


def frame_size(text: str) -> tuple[int, int]:
    """'512x1024' → (512, 1024)."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH in pixels, such as 512x1024, got {text}")
    return int(sides[0]), int(sides[1])
