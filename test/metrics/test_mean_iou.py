import numpy as np
import pytest

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.metrics.mean_iou import MeanIoU, MeanIoUResult

TARGET = np.array([[0, 0, 1, 1, 255, 255], [0, 2, 2, 1, 255, 0]], np.uint8)
PREDICTION = np.array([[0, 0, 1, 0, 3, 0], [0, 2, 1, 1, 2, 3]], np.uint8)


def measure(num_classes: int, *pairs: tuple[np.ndarray, np.ndarray]) -> MeanIoUResult:
    metric = MeanIoU(num_classes)
    for prediction, target in pairs:
        metric.update(prediction, target)
    return metric.result()


def test_the_worked_case() -> None:
    """cityscapesScripts has a mean of 0.4 for it; by hand: class 0 has 3 hits in a union of 5, and so on."""
    result = measure(4, (PREDICTION, TARGET))
    np.testing.assert_allclose(result.per_class_iou, [0.6, 0.5, 0.5, 0.0])
    assert result.miou == pytest.approx(0.4)
    assert result.pixel_accuracy == pytest.approx(6 / 9)


def test_images_add_up_to_one_confusion_matrix() -> None:
    whole = measure(4, (PREDICTION, TARGET))
    parts = measure(4, *((PREDICTION[:, i : i + 1], TARGET[:, i : i + 1]) for i in range(6)))
    np.testing.assert_array_equal(parts.per_class_iou, whole.per_class_iou)


def test_a_class_that_never_occurs_is_left_out_of_the_mean() -> None:
    result = measure(6, (PREDICTION, TARGET))
    assert np.isnan(result.per_class_iou[4:]).all()
    assert result.miou == pytest.approx(0.4)


@pytest.mark.parametrize("nothing", [255, 7, -1])
def test_predicting_no_class_is_a_miss(nothing: int) -> None:
    result = measure(2, (np.array([0, nothing, 1, 1]), np.array([0, 0, 1, 1])))
    np.testing.assert_allclose(result.per_class_iou, [0.5, 1.0])
    assert result.pixel_accuracy == pytest.approx(0.75)


@pytest.mark.parametrize("shape", [(0, 0), (3, 4)])
def test_no_pixels_are_nan(shape: tuple[int, int]) -> None:
    result = measure(3, (np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)))
    assert np.isnan(result.miou)
    assert np.isnan(result.pixel_accuracy)


def test_random_maps_against_a_set_of_pixels_per_class() -> None:
    rng = np.random.default_rng(0)
    target = rng.choice([0, 1, 2, 3, 255], (40, 50)).astype(np.uint8)
    prediction = np.where(rng.random((40, 50)) < 0.5, target, rng.integers(0, 4, (40, 50))).astype(np.uint8)
    expected = []
    for class_id in range(4):
        counted = target != 255
        found, there = (prediction == class_id) & counted, target == class_id
        expected.append((found & there).sum() / (found | there).sum())
    np.testing.assert_allclose(measure(4, (prediction, target)).per_class_iou, expected)


def test_random_maps_against_cityscapesscripts() -> None:
    """Some classes are in no truth, some in no prediction, some in neither; pixels may be predicted as none."""
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    reference = pytest.importorskip(name, reason="cityscapesScripts is not installed; it is only needed for this")
    labels = [label for label in reference.labels if 0 <= label.trainId < 255]
    file_ids = np.zeros(256, int)  # everything else is "unlabeled"
    file_ids[[label.trainId for label in labels]] = [label.id for label in labels]
    rng = np.random.default_rng(3)
    for _ in range(20):
        target = rng.choice([*range(int(rng.integers(2, 19))), 255], (30, 40)).astype(np.uint8)
        guess = rng.choice([*range(int(rng.integers(2, 19))), 255], target.shape).astype(np.uint8)
        prediction = np.where(rng.random(target.shape) < 0.6, target, guess)
        reference.args.evalLabels = []
        matrix = reference.generateMatrix(reference.args)
        np.add.at(matrix, (file_ids[target], file_ids[prediction]), 1)
        scores = {label.name: reference.getIouScoreForLabel(label.id, matrix, reference.args) for label in labels}
        result = measure(19, (prediction, target))
        np.testing.assert_allclose(result.per_class_iou, list(scores.values()))
        assert result.miou == pytest.approx(reference.getScoreAverage(scores, reference.args))


def test_invalid_input_is_rejected() -> None:
    with pytest.raises(InputError, match=r"\(2, 3\), target is \(3, 2\)"):
        measure(4, (np.zeros((2, 3), int), np.zeros((3, 2), int)))
    with pytest.raises(InputError, match=r"targets range over 0\.\.4, expected 0\.\.3"):
        measure(4, (np.zeros(2, int), np.array([0, 4])))
    with pytest.raises(InputError, match=r"targets range over -1\.\.2, expected 0\.\.3 or 255"):
        measure(4, (np.zeros(3, int), np.array([-1, 2, 255])))


def test_update_returns_the_measures_of_its_image() -> None:
    metric = MeanIoU(4)
    metric.update(PREDICTION, np.zeros_like(TARGET))
    image = metric.update(PREDICTION, TARGET)
    assert image.miou == pytest.approx(0.4)
    np.testing.assert_array_equal(image.confusion, [[3, 0, 0, 1, 0], [1, 2, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
