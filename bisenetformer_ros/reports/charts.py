"""Charts as inline SVG. Colours are variables of the style sheet, which follow light and dark mode."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bisenetformer_ros.reports.page import Html

WIDTH = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 12, 12, 26
_LETTER = 7.5
"""Maximum width of a letter or digit."""


@dataclass(frozen=True)
class Bar:
    """A row of `bar_chart`.

    Attributes:
        name: Caption on the left.
        value: Length of the bar.
        whisker: End of the whisker, drawn if it exceeds `value`.
        text: Text on the right.
        color: Number of the colour.
    """

    name: str
    value: float
    whisker: float
    text: str
    color: int


@dataclass(frozen=True)
class Point:
    """A point of `scatter_chart`; `color` is the number of the colour."""

    name: str
    x: float
    y: float
    color: int


def bar_chart(bars: Sequence[Bar], full: float = 1e-9) -> Html:
    """Return horizontal bars on a common scale from 0 to at least `full`."""
    row, left = 30, 130
    right = 20 + _LETTER * max((len(bar.text) for bar in bars), default=0)
    scale = (WIDTH - left - right) / max([full, *(bar.whisker for bar in bars)])
    parts = []
    for index, bar in enumerate(bars):
        y = index * row + row / 2
        end, whisker = left + bar.value * scale, left + bar.whisker * scale
        parts += [
            _text(left - 10, y + 4, bar.name, "end"),
            _rect(left, y - 9, max(1, end - left), 18, _fill(bar.color)),
            _text(max(end, whisker) + 10, y + 4, bar.text),
        ]
        if whisker > end:
            parts.append(f'<path class="whisker" d="M{end:.1f} {y:.1f}H{whisker:.1f}M{whisker:.1f} {y - 5:.1f}v10"/>')
    return _svg(len(bars) * row, parts)


def stacked_columns(columns: Sequence[Mapping[int, float] | None], unit: str, duration_s: float | None = None) -> Html:
    """Return stacked columns.

    Args:
        columns: Number of the colour → height, bottom up; None for a column marked as missing.
        unit: Unit of the heights.
        duration_s: Time that the columns span, shown on the axis instead of their numbers.
    """
    highest = max((sum(column.values()) for column in columns if column), default=0.0)
    axis = _Axis(highest or 1.0, unit)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(columns))
    parts = list(axis.grid())
    for index, column in enumerate(columns):
        x = _LEFT + index * step
        if column is None:
            parts.append(_rect(x, _TOP, 0.85 * step, axis.height, 'class="missing"'))
            continue
        base = 0.0
        for color, value in column.items():
            top = axis.y(base + value)
            parts.append(_rect(x, top, 0.85 * step, axis.y(base) - top, _fill(color)))
            base += value
    return _svg(axis.height + _TOP + _BOTTOM, [*parts, *_numbers_or_seconds(len(columns), step, duration_s)])


def line_chart(values: Sequence[float | None], marks: Mapping[int, str], duration_s: float | None = None) -> Html:
    """Return a line chart.

    Args:
        values: 0..100; None for a gap.
        marks: Index of a value → caption.
        duration_s: Time that the values span, shown on the axis instead of their numbers.
    """
    axis = _Axis(100, " %")
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    points = [(_LEFT + (i + 0.5) * step, axis.y(value), i) for i, value in enumerate(values) if value is not None]
    path, previous = "", -2
    for x, y, index in points:
        path += f"{'L' if index == previous + 1 else 'M'}{x:.1f} {y:.1f}"
        previous = index
    parts = [*axis.grid(), f'<path class="line" d="{path}"/>']
    middle = sum(y for _, y, _ in points) / max(1, len(points))  # captions go on the side away from the line
    for x, y, index in points:
        if index in marks:
            parts.append(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
            parts.append(_text(x, y + (20 if y > middle else -10), marks[index], "middle"))
    return _svg(axis.height + _TOP + _BOTTOM, [*parts, *_numbers_or_seconds(len(values), step, duration_s)])


def stacked_areas(
    shares: Sequence[Sequence[float]], colors: Sequence[Sequence[int]], duration_s: float | None = None
) -> Html:
    """Return stacked areas.

    Args:
        shares: One row per moment, bottom up; a row adds up to 1.
        colors: (R, G, B) of each part.
        duration_s: Time that the moments span, shown on the axis instead of their numbers.
    """
    axis = _Axis(100, " %")
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(shares))
    edges = [[100 * sum(row[:part]) for part in range(len(colors) + 1)] for row in shares]
    parts = []
    for part, (red, green, blue) in enumerate(colors):
        top = [
            f"{_LEFT + (i + x) * step:.1f} {axis.y(row[part + 1]):.1f}" for i, row in enumerate(edges) for x in (0, 1)
        ]
        base = [f"{_LEFT + (i + x) * step:.1f} {axis.y(row[part]):.1f}" for i, row in enumerate(edges) for x in (0, 1)]
        parts.append(f'<path d="M{"L".join([*top, *base[::-1]])}Z" fill="rgb({red},{green},{blue})"/>')
    grid = _numbers_or_seconds(len(shares), step, duration_s)
    return _svg(axis.height + _TOP + _BOTTOM, [*parts, *axis.grid(), *grid])


def scatter_chart(points: Sequence[Point], x_name: str, y_name: str) -> Html:
    """Return named points; the horizontal axis begins at 0, the vertical one just below the lowest point.

    Args:
        points: At least one.
        x_name: Caption of the horizontal axis.
        y_name: Caption of the vertical axis.
    """
    height, top = 380, 30
    right, bottom = WIDTH - _RIGHT, top + height
    heights = [point.y for point in points]
    x_ticks, y_ticks = _ticks(0.0, max(point.x for point in points)), _ticks(min(heights), max(heights))

    def x_of(value: float) -> float:
        return _LEFT + (right - _LEFT) * value / x_ticks[-1]

    def y_of(value: float) -> float:
        return bottom - height * (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    parts = [_text(_LEFT - 8, 14, y_name), _text(right, bottom + 38, x_name, "end")]
    for tick in y_ticks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y_of(tick):.1f}H{right}"/>')
        parts.append(_text(_LEFT - 8, y_of(tick) + 4, f"{tick:g}", "end"))
    parts += [_text(x_of(tick), bottom + 18, f"{tick:g}", "middle") for tick in x_ticks]
    dots = [(x_of(point.x), y_of(point.y)) for point in points]
    for (x, y), point in zip(dots, points, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" {_fill(point.color)}/>')
    boxes = [(x - 5, y - 5, x + 5, y + 5) for x, y in dots]
    for (x, y), point in zip(dots, points, strict=True):
        box = _free_box((x, y), _LETTER * len(point.name), dots, boxes, right)
        boxes.append(box)
        parts.append(_text(box[0], box[3] - 2, point.name))
    return _svg(bottom + 44, parts)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers at equal distances, at most `low` to at least `high`."""
    step = _Axis((high - low) or 1.0).interval
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def _free_box(
    point: tuple[float, float],
    width: float,
    points: Sequence[tuple[float, float]],
    taken: Sequence[tuple[float, float, float, float]],
    right: float,
) -> tuple[float, float, float, float]:
    """Return the place (left, top, right, bottom) for the name of one of the points.

    It overlaps the fewest others that are taken, and is closer to this point than to others.
    """
    x, y = point
    places = [
        (left, middle - 6, left + width, middle + 6)
        for middle in (y, y - 13, y + 13, y - 26, y + 26)
        for left in ((x + 9, x - 9 - width) if abs(middle - y) < 20 else (x - width / 2,))
    ]

    def distance(place: tuple[float, float, float, float], to: tuple[float, float]) -> float:
        return math.hypot(max(place[0] - to[0], to[0] - place[2], 0), max(place[1] - to[1], to[1] - place[3], 0))

    def cost(place: tuple[float, float, float, float]) -> tuple[int, int]:
        overlaps = sum(
            place[0] < box[2] and box[0] < place[2] and place[1] < box[3] and box[1] < place[3] for box in taken
        )
        closer = sum(distance(place, other) < distance(place, point) for other in points)
        return overlaps + closer + 9 * (place[2] > right or place[0] < 0), places.index(place)

    return min(places, key=cost)


@dataclass(frozen=True)
class _Axis:
    """A vertical axis from 0 to a round number that is at least `high`."""

    high: float
    unit: str = ""
    height: int = 190

    @property
    def interval(self) -> float:
        """1, 2 or 5 times a power of ten, for about five grid lines."""
        rough = self.high / 5
        power = 10.0 ** math.floor(math.log10(rough))
        return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))

    @property
    def top(self) -> float:
        return self.interval * math.ceil(self.high / self.interval - 1e-9)

    def y(self, value: float) -> float:
        return _TOP + self.height * (1 - value / self.top)

    def grid(self) -> Iterator[str]:
        for line in range(round(self.top / self.interval) + 1):
            value = line * self.interval
            yield f'<path class="grid" d="M{_LEFT} {self.y(value):.1f}H{WIDTH - _RIGHT}"/>'
            yield _text(_LEFT - 8, self.y(value) + 4, f"{value:g}{self.unit if value == self.top else ''}", "end")


def _numbers_or_seconds(count: int, step: float, duration_s: float | None) -> Iterator[str]:
    """Yield about ten captions of the horizontal axis: numbers of columns, or seconds since the first."""
    baseline = _TOP + _Axis.height + 18
    if duration_s is not None:
        axis = _Axis(2 * (duration_s or 1.0))  # for its round intervals
        for line in range(int(duration_s / axis.interval) + 1):
            seconds = line * axis.interval
            x = _LEFT + count * step * (seconds / duration_s if duration_s else 0)
            yield _text(x, baseline, f"{seconds:g} s", "middle")
        return
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, count + 1) if count / n <= 12)
    for index in range(0, count, every):
        yield _text(_LEFT + (index + 0.5) * step, baseline, str(index), "middle")


def _fill(color: int) -> str:
    return f'style="fill:var(--series-{color})"'


def _rect(x: float, y: float, width: float, height: float, look: str) -> str:
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" {look}/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, parts: Sequence[str]) -> Html:
    return Html(f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img">{"".join(parts)}</svg>')
