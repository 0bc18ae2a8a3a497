"""The view from above is parsed as XML to check what is drawn where."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bisenetformer_ros.evaluation.boxes import FrameBoxes
from bisenetformer_ros.geometry.boxes import Box
from bisenetformer_ros.images.frame_geometry import BOX
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.reports.top_view import top_view
from bisenetformer_ros.results import Segment

LABELS = LabelMap.load("camvid11")
CAR, PEDESTRIAN = (next(label for label in LABELS if label.name == name) for name in ("car", "pedestrian"))


def view(*estimated: tuple[int, Box], true: tuple = ()) -> ElementTree.Element:
    things = [(Segment(i, CAR.id, "car", True, 1, 1, (0, 0, 1, 1), (0, 0)), box) for i, box in estimated]
    return ElementTree.fromstring(top_view(FrameBoxes(0, (-0.5, 0.25), things, np.array([*true], BOX), {}), LABELS))


def rectangle(root: ElementTree.Element, kind: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels."""
    (found,) = (rect for rect in root.iter("rect") if rect.get("class") == kind)
    x, y, width, height = (float(found.get(name)) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def grid(root: ElementTree.Element) -> dict[str, float]:
    """Caption → height of its line."""
    return {text.text: float(text.get("y")) + 4 for text in root.iter("text") if text.text.endswith(" m")}


def camera(root: ElementTree.Element) -> list[list[float]]:
    """Corners of the field of view: the camera, the left and the right one."""
    (path,) = (path for path in root.iter("path") if path.get("class") == "view")
    return [[float(number) for number in corner.split()] for corner in path.get("d").strip("MZ").split("L")]


def test_boxes_lie_on_the_grid_that_is_drawn() -> None:
    """A car from 10 to 20 m, 2 m wide and 5 m to the left, and the true one 10 m farther and to the right."""
    true = (9, PEDESTRIAN.id, (5, 0, 25), (2, 2, 10))
    root = view((14, Box((-5, 0, 15), (2, 1, 10))), true=(true,))
    lines, (origin, left, right) = grid(root), camera(root)
    assert list(lines) == ["0 m", "10 m", "20 m"], "up to the farthest estimated box"
    per_metre = (lines["0 m"] - lines["20 m"]) / 20
    estimated, actual = rectangle(root, "estimated"), rectangle(root, "true")
    assert (estimated[3], estimated[1]) == pytest.approx((lines["10 m"], lines["20 m"]), abs=0.11)
    assert estimated[0] == pytest.approx(origin[0] - 6 * per_metre, abs=0.11)
    assert estimated[2] == pytest.approx(origin[0] - 4 * per_metre, abs=0.11)
    assert actual[3] == pytest.approx(lines["20 m"], abs=0.11)
    assert actual[2] - origin[0] == pytest.approx(6 * per_metre, abs=0.11)
    assert origin[1] == pytest.approx(lines["0 m"], abs=0.11)
    assert [corner[0] - origin[0] for corner in (left, right)] == pytest.approx(
        [-10 * per_metre, 5 * per_metre], abs=0.11
    )


def test_colours_ids_and_names() -> None:
    root = view((14, Box((0, 0, 15), (2, 1, 4))), true=((9, PEDESTRIAN.id, (0, 0, 12), (0, 0, 0)),))
    fills = {rect.get("class"): rect.get("fill") for rect in root.iter("rect")}
    assert fills == {"estimated": f"rgb{CAR.color}".replace(" ", ""), "true": f"rgb{PEDESTRIAN.color}".replace(" ", "")}
    assert [text.text for text in root.iter("text") if text.get("class") == "id"] == ["14"]
    assert [title.text for title in root.iter("title")] == ["true pedestrian, 12.0 m", "car 14, 15.0 m"]
    left, top, right, bottom = rectangle(root, "true")
    assert (right - left, bottom - top) == pytest.approx((5, 5)), "what has no depth can be seen"


@pytest.mark.parametrize(("farthest", "caption"), [(3, "20 m"), (41, "50 m"), (300, "60 m")])
def test_the_range_is_round_and_limited(farthest: float, caption: str) -> None:
    assert list(grid(view((1, Box((0, 0, farthest), (2, 1, 0))))))[-1] == caption


def test_a_frame_without_things_shows_the_field_of_view() -> None:
    root = view()
    assert not list(root.iter("rect"))
    assert len(camera(root)) == 3
