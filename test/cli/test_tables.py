"""Tables of measures on the terminal and in reports."""

import re

import numpy as np
import pytest
from rich.console import Console

from bisenetformer_ros.cli import tables
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary
from bisenetformer_ros.metrics.mean_iou import MeanIoU, MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult, Quality
from bisenetformer_ros.reports import cards

LABELS = LabelMap(
    "three",
    (Label(0, "road", False, (1, 2, 3)), Label(1, "car & van", True, (4, 5, 6)), Label(2, "sea", False, (7, 8, 9))),
)
NONE = Quality(float("nan"), float("nan"), float("nan"), 0)
QUALITY = PanopticQualityResult(
    Quality(0.25, 0.5, 0.5, 2),
    Quality(0.1, 0.2, 0.5, 1),
    Quality(0.4, 0.8, 0.5, 1),
    (Quality(0.4, 0.8, 0.5, 1), Quality(0.1, 0.2, 0.5, 1), NONE),
)
ROWS = {
    "road": ["50.0", "40.0", "80.0", "50.0"],
    "car & van": ["33.3", "10.0", "20.0", "50.0"],
    "sea": ["-", "-", "-", "-"],
    "mean": ["41.7", "25.0", "50.0", "50.0"],
    "things": ["", "10.0", "20.0", "50.0"],
    "stuff": ["", "40.0", "80.0", "50.0"],
}


@pytest.fixture
def mean_iou() -> MeanIoUResult:
    """Of road 2 pixels are right, 1 is missed and 1 is wrong; of car 1 each."""
    measure = MeanIoU(3)
    measure.update(prediction=np.array([0, 0, 1, 1, 0], np.uint8), target=np.array([0, 0, 0, 1, 1], np.uint8))
    return measure.result()


def test_on_a_page(mean_iou) -> None:
    page = cards.class_table(LABELS, mean_iou, QUALITY)
    rows = [re.findall("<td>(.*?)</td>", row) for row in page.split("<tr")[2:]]
    cells = {re.sub("<.*?>", "", row[0]): [re.sub("<.*?>", "", cell) for cell in row[2:]] for row in rows}
    assert cells == {name.replace("&", "&amp;"): row for name, row in ROWS.items()}


def test_on_the_terminal(mean_iou) -> None:
    console = Console(width=80, record=True)
    console.print(tables.class_table(LABELS, mean_iou, QUALITY))
    lines = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in console.export_text().splitlines()]
    assert {row[0]: row[1:] for row in lines if row and row[0] in ROWS} == ROWS


def test_without_panoptic_quality_there_is_iou_alone(mean_iou) -> None:
    assert tables.class_table(LABELS, mean_iou, None).row_count == 4
    page = cards.class_table(LABELS, mean_iou, None)
    assert "PQ" not in page
    assert page.count("<tr") == 5


def test_latencies_on_the_terminal() -> None:
    console = Console(width=80, record=True)
    console.print(tables.latency_table({"decode": LatencySummary(3, 1.25, 2.0, 3.0, 4.0)}))
    assert re.search(r"decode\s+│\s+1\.2\s+│\s+2\.0\s+│\s+3\.0", console.export_text())
