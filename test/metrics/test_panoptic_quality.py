"""Expected values are counted by hand on strips of pixels, or by the definition with one set of pixels per segment."""

import numpy as np
import pytest

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.panoptic_quality import (
    Hit,
    PanopticQuality,
    PanopticQualityResult,
    Quality,
    SegmentMatches,
)

ROAD, SKY, CAR = range(3)
LABELS = LabelMap("test", tuple(Label(i, name, i == CAR, (i, i, i)) for i, name in enumerate(("road", "sky", "car"))))


def strip(*runs: tuple[int, int]) -> np.ndarray:
    """A map of one row from (id, length) runs."""
    return np.concatenate([np.full(length, segment_id) for segment_id, length in runs])[None]


def measure(*images: tuple) -> PanopticQualityResult:
    metric = PanopticQuality(LABELS)
    for image in images:
        metric.update(*image)
    return metric.result()


def quality_of(result: PanopticQualityResult, class_id: int) -> tuple[float, float, float]:
    quality = result.per_class[class_id]
    return quality.pq, quality.sq, quality.rq


def test_identity_is_perfect() -> None:
    ids, segments = strip((1, 6), (7, 4), (9, 2)), {1: ROAD, 7: CAR, 9: CAR}
    result = measure((ids, segments, ids, segments))
    assert result.all == Quality(1, 1, 1, n=2)
    assert result.things == Quality(1, 1, 1, n=1)
    assert result.stuff == Quality(1, 1, 1, n=1)
    assert result.per_class[SKY].n == 0


def test_a_match_a_false_positive_and_a_miss() -> None:
    truth = strip((1, 10), (2, 4), (3, 6))
    found = strip((5, 8), (6, 6), (7, 3), (8, 3))  # road 8 of 10, a car over 2 + 4 pixels, two halves of the last car
    result = measure((found, {5: ROAD, 6: CAR, 7: CAR, 8: CAR}, truth, {1: ROAD, 2: CAR, 3: CAR}))
    assert quality_of(result, ROAD) == pytest.approx((0.8, 0.8, 1))
    # cars: IoU 4 / 6 is a match; each half has exactly 0.5, which is none: 2 false positives, 1 miss
    assert quality_of(result, CAR) == pytest.approx((2 / 3 / 2.5, 2 / 3, 1 / 2.5))
    assert result.all.pq == pytest.approx((0.8 + 2 / 3 / 2.5) / 2)


def test_the_class_must_match() -> None:
    ids = strip((1, 5))
    result = measure((ids, {1: SKY}, ids, {1: ROAD}))
    assert quality_of(result, ROAD) == quality_of(result, SKY) == (0, 0, 0)
    assert result.all == Quality(0, 0, 0, n=2)


def test_void_pixels_of_the_truth_do_not_count_against_a_prediction() -> None:
    truth, found = strip((1, 4), (0, 6)), strip((1, 4), (1, 2), (2, 4))
    result = measure((found, {1: CAR, 2: CAR}, truth, {1: CAR}))
    assert quality_of(result, CAR) == (1, 1, 1)  # the car's overhang and the car in the void are not held against it


def test_half_in_void_is_not_enough_to_be_excused() -> None:
    truth, found = strip((0, 4), (1, 8)), strip((2, 8), (0, 4))
    result = measure((found, {2: CAR}, truth, {1: ROAD}))
    assert quality_of(result, CAR) == (0, 0, 0)
    assert quality_of(result, ROAD) == (0, 0, 0)


def test_void_pixels_of_the_prediction_are_a_miss_of_the_truth() -> None:
    truth, found = strip((1, 10)), strip((1, 6), (0, 4))
    assert quality_of(measure((found, {1: ROAD}, truth, {1: ROAD})), ROAD) == pytest.approx((0.6, 0.6, 1))


def test_a_crowd_excuses_its_class_and_is_never_missed() -> None:
    truth, found = strip((1, 10), (2, 2)), strip((5, 3), (6, 3), (7, 3), (0, 1), (8, 2))
    segments = {5: CAR, 6: CAR, 7: SKY, 8: CAR}
    result = measure((found, segments, truth, {1: CAR, 2: CAR}, [1]))
    assert quality_of(result, CAR) == (1, 1, 1)  # the two cars in the crowd are excused, the lone car is matched
    assert quality_of(result, SKY) == (0, 0, 0)
    without = measure((found, segments, truth, {1: CAR, 2: CAR}))
    assert quality_of(without, CAR) == pytest.approx((1 / 2.5, 1, 1 / 2.5))


def test_void_and_crowd_together_can_excuse() -> None:
    truth, found = strip((0, 3), (1, 3), (2, 4)), strip((4, 10))
    result = measure((found, {4: CAR}, truth, {1: CAR, 2: ROAD}, {1}))
    assert result.per_class[CAR].n == 0
    assert quality_of(result, ROAD) == (0, 0, 0)


def test_sums_run_over_all_images_before_the_division() -> None:
    ids = strip((1, 4))
    hit, miss = (ids, {1: CAR}, ids, {1: CAR}), (strip((0, 4)), {}, ids, {1: CAR})
    assert quality_of(measure(hit, miss, miss), CAR) == pytest.approx((1 / 2, 1, 1 / 2))


@pytest.mark.parametrize("shape", [(0, 0), (3, 4)])
def test_empty_images_are_nan(shape: tuple[int, int]) -> None:
    nothing = np.zeros(shape, np.uint16)
    result = measure((nothing, {}, nothing, {}))
    assert result.all.n == result.things.n == result.stuff.n == 0
    assert np.isnan(result.all.pq)


def test_a_true_segment_without_pixels_is_a_miss() -> None:
    """As in panopticapi: prepared ground truth may list stuff that things cover."""
    ids = strip((1, 5))
    assert quality_of(measure((ids, {1: ROAD}, ids, {1: ROAD, 3: CAR})), CAR) == (0, 0, 0)


def test_of_two_crowds_of_a_class_the_last_excuses() -> None:
    truth, found = strip((1, 4), (2, 4)), strip((5, 4), (0, 4))
    assert measure((found, {5: CAR}, truth, {2: CAR, 1: CAR}, {1, 2})).per_class[CAR].n == 0
    assert quality_of(measure((found, {5: CAR}, truth, {1: CAR, 2: CAR}, {1, 2})), CAR) == (0, 0, 0)


def test_a_predicted_segment_may_have_the_id_0() -> None:
    truth, found = strip((1, 4), (2, 6)), strip((0, 4), (3, 6))
    result = measure((found, {0: ROAD, 3: CAR}, truth, {1: ROAD, 2: CAR}))
    assert quality_of(result, ROAD) == quality_of(result, CAR) == (1, 1, 1)


def test_update_returns_the_matches() -> None:
    truth, found = strip((1, 4), (2, 6), (3, 6), (0, 2)), strip((7, 4), (8, 4), (0, 4), (9, 4), (5, 2))
    segments = {7: ROAD, 8: CAR, 9: SKY, 5: SKY}
    matches = PanopticQuality(LABELS).update(found, segments, truth, {1: ROAD, 2: CAR, 3: CAR})
    assert matches == SegmentMatches([Hit(7, 1, ROAD, 1.0), Hit(8, 2, CAR, 4 / 6)], {9: SKY}, {3: CAR})


def test_results_have_the_layout_of_panopticapi() -> None:
    truth, found = strip((1, 10), (2, 4)), strip((5, 8), (0, 2), (6, 4))
    result = measure((found, {5: ROAD, 6: CAR}, truth, {1: ROAD, 2: CAR}))
    assert result.to_dict([7, 21, 90]) == {
        "All": {"pq": 0.9, "sq": 0.9, "rq": 1.0, "n": 2},
        "Things": {"pq": 1.0, "sq": 1.0, "rq": 1.0, "n": 1},
        "Stuff": {"pq": 0.8, "sq": 0.8, "rq": 1.0, "n": 1},
        "per_class": {
            "7": {"pq": 0.8, "sq": 0.8, "rq": 1.0},
            "21": {"pq": 0.0, "sq": 0.0, "rq": 0.0},
            "90": {"pq": 1.0, "sq": 1.0, "rq": 1.0},
        },
    }
    assert set(result.to_dict()["per_class"]) == {"0", "1", "2"}
    nothing = measure().to_dict()
    assert nothing["All"] == nothing["Stuff"] == {"pq": 0.0, "sq": 0.0, "rq": 0.0, "n": 0}


def by_definition(images: list[tuple], class_id: int) -> tuple[float, float, float]:
    iou_sum, hits, false_positives, misses = 0.0, 0, 0, 0
    for found, found_segments, truth, true_segments, crowds in images:
        predictions = [set(np.flatnonzero(found == i)) for i, c in found_segments.items() if c == class_id]
        targets = [
            set(np.flatnonzero(truth == i)) for i, c in true_segments.items() if c == class_id and i not in crowds
        ]
        void = set(np.flatnonzero(truth == 0))
        crowd_ids = [i for i, c in true_segments.items() if i in crowds and c == class_id]
        crowd = {pixel for i in crowd_ids[-1:] for pixel in np.flatnonzero(truth == i)}
        ious = [[len(p & t) / len((p | t) - (p & void)) for t in targets] for p in predictions]
        matches = [(i, j) for i, row in enumerate(ious) for j, iou in enumerate(row) if iou > 0.5]
        iou_sum += sum(ious[i][j] for i, j in matches)
        hits += len(matches)
        misses += len(targets) - len(matches)
        unmatched = [p for i, p in enumerate(predictions) if i not in {i for i, _ in matches}]
        false_positives += sum(len(p & (void | crowd)) <= len(p) / 2 for p in unmatched)
    denominator = hits + (false_positives + misses) / 2
    return iou_sum / denominator, iou_sum / max(hits, 1), hits / denominator


def random_image(rng: np.random.Generator) -> tuple:
    truth = np.kron(rng.integers(0, 9, (6, 8)), np.ones((4, 4), int))
    found = np.where(rng.random(truth.shape) < rng.uniform(0, 0.6), rng.integers(0, 9, truth.shape), truth)
    true_segments = {i: int(rng.integers(3)) for i in range(1, 9)}
    found_segments = {i: c if rng.random() < 0.7 else int(rng.integers(3)) for i, c in true_segments.items()}
    present = np.unique(found)
    found_segments = {70_000 * i: c for i, c in found_segments.items() if i in present}
    return found * 70_000, found_segments, truth, true_segments, {1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_random_images_against_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(4)]
    result = measure(*images)
    for class_id in range(3):
        assert quality_of(result, class_id) == pytest.approx(by_definition(images, class_id))


def test_invalid_input_is_rejected() -> None:
    ids = strip((1, 5))
    with pytest.raises(InputError, match=r"\(1, 5\), ground truth is \(1, 4\)"):
        measure((ids, {1: ROAD}, strip((1, 4)), {1: ROAD}))
    with pytest.raises(InputError, match=r"the prediction has ids \[1\]"):
        measure((ids, {2: ROAD}, ids, {1: ROAD}))
    with pytest.raises(InputError, match=r"the ground truth has ids \[1\]"):
        measure((ids, {1: ROAD}, ids, {}))
    with pytest.raises(InputError, match=r"the prediction has segments of unknown classes \{1: 3\}, expected 0\.\.2"):
        measure((ids, {1: 3}, ids, {1: ROAD}))
    with pytest.raises(InputError, match=r"the ground truth has segments of unknown classes \{1: -1\}"):
        measure((ids, {1: ROAD}, ids, {1: -1}))
    with pytest.raises(InputError, match=r"the prediction lists segments \[2, 9\] that have no pixels"):
        measure((ids, {2: ROAD, 1: ROAD, 9: CAR}, ids, {1: ROAD}))
    with pytest.raises(InputError, match="the ground truth lists a segment with id 0, which means void"):
        measure((ids, {1: ROAD}, ids, {0: SKY, 1: ROAD}))
