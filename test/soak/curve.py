"""The run as a picture: memory, age of the masks, frames per second over time; an SVG that stands by itself."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np
from verdict import Sample

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 960, 150, 70, 20, 34, 40
COLORS = ("#2563eb", "#dc2626", "#16a34a", "#9333ea")
Lines = dict[str, Sequence[float]]


def draw(path: Path, samples: Sequence[Sample], title: str) -> None:
    """Writes the curve of a run to `path`."""
    minutes = [(sample["time"] - samples[0]["time"]) / 60 for sample in samples[:-1]]
    panels = list(_panels(samples[:-1]))
    height = TOP + len(panels) * (PANEL + GAP)
    parts = [f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>']
    for index, (name, lines) in enumerate(panels):
        parts += _panel(name, lines, minutes, TOP + 18 + index * (PANEL + GAP))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
    background = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    path.write_text(f'{head}font-size="12">{background}{"".join(parts)}</svg>\n', encoding="utf-8")


def _panels(samples: Sequence[Sample]) -> Iterator[tuple[str, Lines]]:
    yield "memory of the node, MB", {"resident": [sample["resident_mb"] for sample in samples]}
    yield (
        "age of the masks, ms",
        {f"p{p}": [np.percentile(s["ages"], p) if s["ages"] else np.nan for s in samples] for p in (50, 99)},
    )
    yield "threads", {"threads": [sample["threads"] for sample in samples]}
    yield (
        "frames per second, all cameras",
        {
            "in": _rate(samples, "total_received_frames"),
            "segmented": _rate(samples, "total_segmented_frames"),
            "dropped as bad input": _rate(samples, "dropped.bad_input."),
        },
    )


def _rate(samples: Sequence[Sample], prefix: str) -> list[float]:
    totals = [
        sum(value for counts in s["counts"].values() for key, value in counts.items() if key.startswith(prefix))
        for s in samples
    ]
    return [0.0, *np.diff(totals)]


def _panel(name: str, lines: Lines, minutes: Sequence[float], top: float) -> Iterator[str]:
    highest = max(1e-9, *(float(np.nanmax(values)) for values in lines.values())) * 1.1
    scale_x = (WIDTH - LEFT - RIGHT) / max(1e-9, minutes[-1])
    yield f'<text x="{LEFT}" y="{top - 6}">{escape(name)}</text>'
    for share in (0, 0.5, 1):
        y = top + PANEL * (1 - share)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d4d4d8"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{highest * share:.3g}</text>'
    for index, (label, values) in enumerate(lines.items()):
        points = [
            f"{LEFT + minute * scale_x:.1f} {top + PANEL * (1 - value / highest):.1f}"
            for minute, value in zip(minutes, values, strict=True)
            if not np.isnan(value)
        ]
        yield f'<path d="M{"L".join(points)}" fill="none" stroke="{COLORS[index]}" stroke-width="1.5"/>'
        x = WIDTH - RIGHT - 170 * (len(lines) - index)
        yield f'<text x="{x}" y="{top - 6}" fill="{COLORS[index]}">{escape(label)}</text>'
    yield f'<text x="{WIDTH - RIGHT}" y="{top + PANEL + 16}" text-anchor="end">{minutes[-1]:.1f} min</text>'
