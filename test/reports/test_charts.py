"""Charts are parsed as XML to check what is drawn where."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest

from bisenetformer_ros.reports.charts import (
    Bar,
    Point,
    bar_chart,
    line_chart,
    scatter_chart,
    stacked_areas,
    stacked_columns,
)

SVG_TAGS = {"svg", "rect", "path", "text", "circle"}


def parse(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert {element.tag for element in root.iter()} <= SVG_TAGS
    return root


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text for element in root.iter("text")]


def test_bars_share_one_scale() -> None:
    root = parse(bar_chart([Bar("a", 10, 20, "10 ms", 0), Bar("b & c", 5, 5, "5 ms", 1)]))
    widths = [float(rect.get("width")) for rect in root.iter("rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.01)
    assert [rect.get("style") for rect in root.iter("rect")] == ["fill:var(--series-0)", "fill:var(--series-1)"]
    assert texts(root) == ["a", "10 ms", "b & c", "5 ms"]


def test_long_numbers_beside_a_bar_have_room() -> None:
    root = parse(bar_chart([Bar("total", 1171, 10802, "1171.1 · 7739.3 · 10802.5 ms", 0)]))
    beside = next(text for text in root.iter("text") if text.text.endswith(" ms"))
    assert float(beside.get("x")) + 7 * len(beside.text) < float(root.get("viewBox").split()[2])


def test_columns_are_stacked_without_gaps_and_a_missing_one_is_marked() -> None:
    root = parse(stacked_columns([{0: 30, 3: 90}, None, {0: 60}], " ms"))
    lower, upper, missing, other = list(root.iter("rect"))
    assert float(upper.get("y")) + float(upper.get("height")) == pytest.approx(float(lower.get("y")), abs=0.01)
    assert float(upper.get("height")) == pytest.approx(3 * float(lower.get("height")), abs=0.01)
    assert float(other.get("height")) == pytest.approx(2 * float(lower.get("height")), abs=0.01)
    assert missing.get("class") == "missing"
    assert float(lower.get("x")) < float(missing.get("x")) < float(other.get("x"))


@pytest.mark.parametrize(
    ("highest", "lines"),
    [
        (120, ["0", "50", "100", "150 ms"]),
        (250, ["0", "50", "100", "150", "200", "250 ms"]),
        (0.09, ["0", "0.02", "0.04", "0.06", "0.08", "0.1 ms"]),
    ],
)
def test_the_axis_has_round_numbers_up_to_the_highest_value(highest: float, lines: list[str]) -> None:
    assert texts(parse(stacked_columns([{0: highest}], " ms")))[:-1] == lines


def test_no_columns_make_an_empty_chart() -> None:
    assert list(parse(stacked_columns([], " ms")).iter("rect")) == []


def test_the_line_has_gaps_and_its_marks_have_names() -> None:
    root = parse(line_chart([50, 100, None, 0], {1: "best", 3: "worst"}))
    (line,) = [path for path in root.iter("path") if path.get("class") == "line"]
    assert line.get("d").count("M") == 2
    best, worst = (float(circle.get("cy")) for circle in root.iter("circle"))
    names = {text.text: float(text.get("y")) for text in root.iter("text")}
    assert names["best"] < best < worst < names["worst"]


def test_long_charts_number_every_tenth_or_so_of_their_frames() -> None:
    numbers = [text for text in texts(parse(line_chart([50.0] * 171, {}))) if text.isdecimal()]
    assert numbers[-9:] == ["0", "20", "40", "60", "80", "100", "120", "140", "160"]


def test_areas_fill_the_chart_from_the_bottom_to_the_top() -> None:
    root = parse(stacked_areas([[0.25, 0.75], [1.0, 0.0]], [(1, 2, 3), (4, 5, 6)], 10.0))
    lower, upper = (path for path in root.iter("path") if path.get("fill"))
    assert (lower.get("fill"), upper.get("fill")) == ("rgb(1,2,3)", "rgb(4,5,6)")
    corners = [
        [tuple(map(float, corner.split())) for corner in path.get("d").strip("MZ").split("L")]
        for path in (lower, upper)
    ]
    # Each moment has a left and a right end: four corners along the top, and the same back along the bottom.
    assert [len(of_path) for of_path in corners] == [8, 8]
    (top, bottom), heights = (corners[1][0][1], corners[0][7][1]), [y for _, y in corners[0][:4]]
    assert heights[0] == heights[1] == pytest.approx(bottom - 0.25 * (bottom - top), abs=0.1)
    assert heights[2] == heights[3] == pytest.approx(top, abs=0.1)
    assert corners[1][4:] == corners[0][:4][::-1]  # the upper area stands on the lower


def test_a_duration_is_written_below_in_round_seconds() -> None:
    for chart in (
        stacked_columns([{0: 1.0}] * 4, " ms", 60.0),
        line_chart([50.0] * 4, {}, 60.0),
        stacked_areas([[1.0]] * 4, [(0, 0, 0)], 60.0),
    ):
        root = parse(chart)
        seconds = {text.text: float(text.get("x")) for text in root.iter("text") if text.text.endswith(" s")}
        assert list(seconds) == ["0 s", "50 s"]
        start, middle = seconds.values()
        assert (middle - start) / (960 - 12 - start) == pytest.approx(50 / 60, abs=0.001)


def test_points_are_placed_by_both_axes() -> None:
    root = parse(scatter_chart([Point("a", 10, 50, 0), Point("b & c", 20, 60, 4), Point("d", 30, 50, 4)], "FPS", "PQ"))
    a, b, d = ((float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter("circle"))
    assert d[0] - b[0] == pytest.approx(b[0] - a[0], abs=0.2)
    assert a[1] == d[1] > b[1]
    assert {"a", "b & c", "d", "FPS", "PQ", "0", "10", "30", "50", "60"} <= set(texts(root))


def test_names_of_close_points_do_not_overlap() -> None:
    points = [Point(f"network {i}", 10 + i / 10, 50 + i / 10, 0) for i in range(4)]
    root = parse(scatter_chart([*points, Point("far", 100, 90, 0)], "FPS", "PQ"))
    places = [
        (float(text.get("x")), float(text.get("y"))) for text in root.iter("text") if text.text.startswith("network")
    ]
    assert len(places) == 4
    for (x, y), (other_x, other_y) in itertools.combinations(places, 2):
        assert abs(y - other_y) >= 12 or abs(x - other_x) >= 60


def test_one_point_makes_a_chart() -> None:
    root = parse(scatter_chart([Point("alone", 12.5, 33.3, 3)], "FPS", "PQ"))
    (dot,) = root.iter("circle")
    assert 0 < float(dot.get("cx")) < 960
    assert 0 < float(dot.get("cy")) < float(root.get("viewBox").split()[3])
