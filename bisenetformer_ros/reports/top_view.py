"""3D boxes seen from above, as inline SVG."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bisenetformer_ros.evaluation.boxes import FrameBoxes
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.reports.page import Html

WIDTH, HEIGHT = 480, 360
_TOP, _BOTTOM = 20, 14
STEP_M = 10
"""Distance of the grid lines."""
RANGES_M = 20, 60
"""Least and greatest depth at the upper edge."""
_THINNEST = 5
"""Boxes are drawn this large at least: people have no depth of their own."""


def top_view(boxes: FrameBoxes, labels: LabelMap) -> Html:
    """Return estimated boxes with the ids of their tracks, over true boxes with dashed edges; forward is up."""
    plan = _Plan(_range(boxes))
    parts = [plan.field_of_view(*boxes.view), *plan.grid()]
    for true in boxes.true:
        look = f'class="true" {_fill(labels, true["class_id"])}'
        parts.append(plan.box(true["center"], true["size"], look, f"true {labels[true['class_id']].name}"))
    for segment, box in boxes.estimated:
        look, tip = f'class="estimated" {_fill(labels, segment.class_id)}', f"{segment.class_name} {segment.id}"
        parts.append(plan.box(box.center, box.size, look, tip))
    parts += [plan.name(box.center, box.size, str(segment.id)) for segment, box in boxes.estimated]
    return Html(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>')


def _range(boxes: FrameBoxes) -> int:
    """Depth at the upper edge: beyond the farthest estimated box."""
    farthest = max((box.center[2] + box.size[2] / 2 for _, box in boxes.estimated), default=0.0)
    return min(max(STEP_M * math.ceil(farthest / STEP_M), RANGES_M[0]), RANGES_M[1])


@dataclass(frozen=True)
class _Plan:
    """Draws what is given in metres; the camera is at the middle of the lower edge."""

    range_m: int

    @property
    def scale(self) -> float:
        """Pixels per metre."""
        return (HEIGHT - _TOP - _BOTTOM) / self.range_m

    def x(self, metres: float) -> float:
        return WIDTH / 2 + metres * self.scale

    def y(self, metres: float) -> float:
        return HEIGHT - _BOTTOM - metres * self.scale

    def field_of_view(self, left: float, right: float) -> str:
        corners = [(0, 0), (left * self.range_m, self.range_m), (right * self.range_m, self.range_m)]
        return f'<path class="view" d="M{"L".join(f"{self.x(x):.1f} {self.y(z):.1f}" for x, z in corners)}Z"/>'

    def grid(self) -> Iterator[str]:
        side_m = WIDTH / 2 / self.scale
        for metres in range(-STEP_M * int(side_m / STEP_M), int(side_m) + 1, STEP_M):
            yield f'<path class="grid" d="M{self.x(metres):.1f} {self.y(0):.1f}V{self.y(self.range_m):.1f}"/>'
        for metres in range(0, self.range_m + 1, STEP_M):
            y = self.y(metres)
            yield f'<path class="grid" d="M0 {y:.1f}H{WIDTH}"/><text x="4" y="{y - 4:.1f}">{metres} m</text>'

    def box(self, center: tuple[float, float, float], size: tuple[float, float, float], look: str, tip: str) -> str:
        width, height = (max(_THINNEST, metres * self.scale) for metres in (size[0], size[2]))
        left, top = self.x(center[0]) - width / 2, self.y(center[2]) - height / 2
        place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        return f"<g><title>{escape(tip)}, {center[2]:.1f} m</title><rect {place} {look}/></g>"

    def name(self, center: tuple[float, float, float], size: tuple[float, float, float], text: str) -> str:
        x, y = self.x(center[0] + size[0] / 2) + 4, self.y(center[2]) + 4
        return f'<text class="id" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _fill(labels: LabelMap, class_id: int) -> str:
    red, green, blue = labels[class_id].color
    return f'fill="rgb({red},{green},{blue})"'
