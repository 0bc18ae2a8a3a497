"""Plot of a soak run: memory, age of the masks, threads, and frames per second over time."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from verdict import Sample

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 1280, 190, 80, 30, 60, 62
GREY, BLACK = (0xD8, 0xD4, 0xD4), (0x2A, 0x1F, 0x1F)
COLORS = ((0xEB, 0x63, 0x25), (0x26, 0x26, 0xDC), (0x4A, 0xA3, 0x16))
"""BGR."""
SCALE = 4
"""Supersampling factor for smooth lines and letters."""
Lines = dict[str, Sequence[float]]


def draw(path: Path, samples: Sequence[Sample], title: str) -> None:
    """Write the plot of a run to `path`, a PNG."""
    shown = samples[1:-1]
    minutes = np.array([(sample["time"] - shown[0]["time"]) / 60 for sample in shown])
    panels = _panels(samples[:-1])
    size = (TOP + len(panels) * (PANEL + GAP), WIDTH)
    picture = np.full((SCALE * size[0], SCALE * size[1], 3), 255, np.uint8)
    _write(picture, title, LEFT, 28, scale=0.62)
    for index, (name, lines) in enumerate(panels.items()):
        _panel(picture, name, lines, minutes, TOP + 28 + index * (PANEL + GAP))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA))


def _panels(samples: Sequence[Sample]) -> dict[str, Lines]:
    """Title → lines; every line has a value for each sample but the first."""
    shown = samples[1:]
    ages = {f"p{p}": [np.percentile(s["ages"], p) if s["ages"] else np.nan for s in shown] for p in (50, 99)}
    return {
        "memory of the node, MB": {"resident": [sample["resident_mb"] for sample in shown]},
        "age of the masks on arrival, ms": ages,
        "threads of the node": {"threads": [sample["threads"] for sample in shown]},
        "frames per second, all cameras": {
            "in": _rate(samples, "total_received_frames"),
            "segmented": _rate(samples, "total_segmented_frames"),
            "dropped as bad input": _rate(samples, "dropped.bad_input."),
        },
    }


def _rate(samples: Sequence[Sample], prefix: str) -> Sequence[float]:
    totals = [
        sum(value for counts in s["counts"].values() for key, value in counts.items() if key.startswith(prefix))
        for s in samples
    ]
    return np.diff(totals) / np.diff([sample["time"] for sample in samples])


def _panel(picture: np.ndarray, name: str, lines: Lines, minutes: np.ndarray, top: int) -> None:
    highest = 1.1 * max(1e-9, *(float(np.nanmax(values)) for values in lines.values()))
    _write(picture, name, LEFT, top - 10)
    for share in (0, 0.5, 1):
        y = top + PANEL * (1 - share)
        _line(picture, np.array([[LEFT, y], [WIDTH - RIGHT, y]]), GREY)
        _write(picture, f"{highest * share:.3g}", LEFT - 62, int(y) + 5)
    x = LEFT + minutes * (WIDTH - LEFT - RIGHT) / max(1e-9, minutes[-1])
    for index, (label, values) in enumerate(lines.items()):
        points = np.stack([x, top + PANEL * (1 - np.asarray(values) / highest)], axis=1)
        _line(picture, points[~np.isnan(points[:, 1])], COLORS[index])
        _write(picture, label, WIDTH - RIGHT - 210 * (len(lines) - index), top - 10, COLORS[index])
    _write(picture, f"{minutes[-1]:.1f} min", WIDTH - RIGHT - 70, top + PANEL + 22)


def _line(picture: np.ndarray, points: np.ndarray, color: tuple[int, int, int]) -> None:
    cv2.polylines(picture, [np.rint(SCALE * points).astype(np.int32)], False, color, round(1.5 * SCALE), cv2.LINE_AA)


def _write(
    picture: np.ndarray, text: str, x: int, y: int, color: tuple[int, int, int] = BLACK, scale: float = 0.5
) -> None:
    """x, y: start of the baseline."""
    position = (SCALE * x, SCALE * y)
    cv2.putText(picture, text, position, cv2.FONT_HERSHEY_SIMPLEX, SCALE * scale, color, SCALE, cv2.LINE_AA)
