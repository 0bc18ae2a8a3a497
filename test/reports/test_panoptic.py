from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_files import CAR, PERSON, ROAD, Picture, predicted_picture, true_picture, write

from bisenetformer_ros.evaluation.panoptic_comparison import PanopticComparison, compare_panoptic
from bisenetformer_ros.evaluation.panoptic_files import open_panoptic_files
from bisenetformer_ros.reports.panoptic import write_panoptic_report

TRUTH = true_picture(np.array([[1] * 6 + [2] * 3 + [70_000]]).repeat(4, axis=0), {1: ROAD, 2: CAR, 70_000: CAR})
PERFECT = Picture(TRUTH.ids, TRUTH.segments)
POOR = predicted_picture(np.array([[1] * 4 + [2] * 5 + [0]]).repeat(4, axis=0), {1: ROAD, 2: PERSON})


@pytest.fixture
def comparison(tmp_path: Path) -> PanopticComparison:
    truths = write(tmp_path, "gt", [TRUTH, TRUTH])
    return compare_panoptic(open_panoptic_files(truths, write(tmp_path, "pred", [PERFECT, POOR])))


def page_about(comparison: PanopticComparison, folder: Path, photo_dir: Path | None = None) -> str:
    write_panoptic_report(comparison, photo_dir, {"command": "as typed"}, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_worst_image_comes_first(tmp_path: Path, comparison: PanopticComparison) -> None:
    page = page_about(comparison, tmp_path)
    worst, best = page.index("image 12 (12.png): PQ 22.2, 1 found, 2 missed, 1 false"), page.index("image 11 (11.png)")
    assert worst < best
    assert page.count("<figcaption>errors</figcaption>") == 2
    assert "<figcaption>image</figcaption>" not in page
    assert "as typed" in page


def test_categories_that_do_not_occur_are_left_out(tmp_path: Path, comparison: PanopticComparison) -> None:
    page = page_about(comparison, tmp_path)
    assert "exclude 1 of 4 categories, which do not occur" in page
    assert "sky" not in page


def test_photos_may_be_larger_than_the_labels(tmp_path: Path, comparison: PanopticComparison) -> None:
    for image_id in (11, 12):
        cv2.imwrite(str(tmp_path / f"street{image_id}.jpg"), np.full((8, 20, 3), 90, np.uint8))
    assert page_about(comparison, tmp_path, tmp_path).count("<figcaption>image</figcaption>") == 2
