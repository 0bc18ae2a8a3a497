"""Pixels of error pictures, and the pictures of an example."""

import numpy as np
import pytest

from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.reports.examples import ERROR_COLORS, Example, SegmentedImage, error_picture, example_row

ROAD, CAR = 0, 1
LABELS = LabelMap("test", (Label(ROAD, "road", False, (128, 64, 128)), Label(CAR, "car", True, (0, 0, 200))))
PHOTO = np.full((1, 10, 3), 200, np.uint8)


def kinds(example: Example) -> list[str]:
    """What is wrong with each pixel of the first row, or "right"."""
    names = {color: name for name, color in ERROR_COLORS.items()}
    return [names.get(tuple(pixel), "right") for pixel in error_picture(PHOTO, example)[0].tolist()]


def test_semantic_errors() -> None:
    truth = np.array([[0, 0, 0, 1, 1, 255, 255, 0, 1, 1]], np.uint8)
    found = np.array([[0, 1, 255, 1, 0, 1, 255, 0, 1, 1]], np.uint8)
    example = Example("", PHOTO, SegmentedImage.of_labels(found), SegmentedImage.of_labels(truth))
    wrong = {1: "wrong class", 2: "no class found", 4: "wrong class", 5: "not labelled", 6: "not labelled"}
    assert kinds(example) == [wrong.get(x, "right") for x in range(10)]


def test_panoptic_errors() -> None:
    """Two cars of 4 in the truth, of which one is found with 3 pixels and the rest is given to a third car; a crowd."""
    truth, true_classes = (
        np.array([[7, 7, 7, 7, 300_000, 300_000, 300_000, 300_000, 5, 5]]),
        {7: CAR, 300_000: CAR, 5: CAR},
    )
    found, found_classes = np.array([[1, 1, 1, 2, 2, 2, 3, 3, 2, 3]]), {1: CAR, 2: CAR, 3: ROAD}
    matches = PanopticQuality(LABELS).update(found, found_classes, truth, true_classes, {5})
    assert [(hit.pred_id, hit.gt_id) for hit in matches.hits] == [(1, 7)]
    example = Example(
        "", PHOTO, SegmentedImage(found, found_classes), SegmentedImage(truth, true_classes), {5}, matches
    )
    other, wrong = "right class, other segment", "wrong class"
    assert kinds(example) == ["right"] * 3 + [other] * 3 + [wrong] * 2 + ["right", wrong]


@pytest.mark.parametrize("photo", [PHOTO, None])
def test_a_row_has_all_its_pictures(photo: np.ndarray | None) -> None:
    image = SegmentedImage(np.array([[2**24 - 1] * 5 + [0] * 5]), {2**24 - 1: CAR})
    matches = PanopticQuality(LABELS).update(image.ids, image.classes, image.ids, image.classes)
    row = example_row(Example("street <1>", photo, image, image, (), matches), LABELS.labels)
    assert "street &lt;1&gt;" in row
    names = ["image", "prediction", "truth", "errors"][photo is None :]
    assert [name for name in ("image", "prediction", "truth", "errors") if f"<figcaption>{name}<" in row] == names


def test_large_images_are_shown_small() -> None:
    label_map = np.tile(np.arange(2, dtype=np.uint8), (1024, 1024))
    image = SegmentedImage.of_labels(label_map)
    noise = np.random.default_rng(0).integers(0, 256, (*label_map.shape, 3), dtype=np.uint8)
    assert len(example_row(Example("", noise, image, image), LABELS.labels)) < 1_500_000


def test_an_image_without_any_segment_is_the_photo() -> None:
    nothing = SegmentedImage.of_labels(np.full((1, 10), 255, np.uint8))
    assert "<figcaption>errors<" in example_row(Example("", PHOTO, nothing, nothing), LABELS.labels)
