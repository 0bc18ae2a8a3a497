"""The heat map is parsed as XML."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bisenetformer_ros.reports.heat_map import WIDTH, heat_map


def cells(svg: str) -> dict[str, ElementTree.Element]:
    """What the cell says when pointed at → its square."""
    root = ElementTree.fromstring(svg)
    return {group.find("title").text: group.find("rect") for group in root.iter("g")}


def test_cells_show_shares_of_their_row() -> None:
    found = cells(heat_map(np.array([[3, 1, 0], [0, 5, 5]]), ["road", "<car>"], ["road", "<car>", "no class"]))
    assert set(found) == {
        "road as road: 75.0 %, 3",
        "road as <car>: 25.0 %, 1",
        "<car> as <car>: 50.0 %, 5",
        "<car> as no class: 50.0 %, 5",
    }
    right, wrong = found["road as road: 75.0 %, 3"], found["road as <car>: 25.0 %, 1"]
    assert (right.get("class"), wrong.get("class")) == ("right", "wrong")
    assert float(right.get("fill-opacity")) > float(wrong.get("fill-opacity"))
    assert right.get("y") == wrong.get("y")
    assert float(wrong.get("x")) == pytest.approx(float(right.get("x")) + float(right.get("width")), abs=0.11)


def test_tiny_shares_are_not_drawn() -> None:
    assert list(cells(heat_map(np.array([[996, 4], [0, 0]]), "ab", "ab"))) == ["a as a: 99.6 %, 996"]


def test_many_classes_still_fit() -> None:
    count = 150
    svg = heat_map(np.eye(count, dtype=int), [f"class {i}" for i in range(count)], [f"class {i}" for i in range(count)])
    _, _, width, _ = (float(value) for value in ElementTree.fromstring(svg).get("viewBox").split())
    assert width <= WIDTH
    assert len(cells(svg)) == count
