"""Compared with a count by hand, with the definition on sets of pixels, and with panopticapi itself."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import (
    CAR,
    CATEGORIES,
    PERSON,
    ROAD,
    SKY,
    Picture,
    predicted_picture,
    random_pictures,
    segment,
    true_picture,
    write,
)

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.evaluation import panoptic_comparison
from bisenetformer_ros.evaluation.panoptic_comparison import PanopticComparison, compare_panoptic
from bisenetformer_ros.evaluation.panoptic_files import open_panoptic_files

Pairs = list[tuple[Picture, Picture]]


def compare(folder: Path, pairs: Pairs) -> PanopticComparison:
    truths, predictions = zip(*pairs, strict=True)
    return compare_panoptic(open_panoptic_files(write(folder, "gt", truths), write(folder, "pred", predictions)))


def results(comparison: PanopticComparison) -> dict[str, Any]:
    return comparison.quality.to_dict(category["id"] for category in CATEGORIES)


def columns(*runs: tuple[int, int]) -> np.ndarray:
    """Two rows of (id, length) runs."""
    return np.tile(np.concatenate([np.full(length, i) for i, length in runs]), (2, 1))


def test_by_hand(tmp_path: Path) -> None:
    """Per row: 10 of road, a car of 6, 4 void, a crowd of 8 persons. Found: 8 of the road, a car of 4, a car and a
    person in void and crowd, which are excused, and sky over the last of the crowd, which is not."""
    truth = true_picture(columns((70_000, 10), (5, 6), (0, 4), (9, 8)), {70_000: ROAD, 5: CAR, 9: PERSON}, crowds=[9])
    found = columns((1, 8), (0, 2), (2, 4), (0, 2), (3, 4), (4, 4), (16_777_215, 4))
    prediction = predicted_picture(found, {1: ROAD, 2: CAR, 3: CAR, 4: PERSON, 16_777_215: SKY})
    assert results(compare(tmp_path, [(truth, prediction)])) == {
        "All": {
            "pq": pytest.approx((0.8 + 4 / 6 + 0) / 3),
            "sq": pytest.approx((0.8 + 4 / 6) / 3),
            "rq": 2 / 3,
            "n": 3,
        },
        "Things": {"pq": 4 / 6, "sq": 4 / 6, "rq": 1, "n": 1},
        "Stuff": {"pq": 0.4, "sq": 0.4, "rq": 0.5, "n": 2},
        "per_class": {
            "7": {"pq": 0.8, "sq": 0.8, "rq": 1},
            "90": {"pq": 4 / 6, "sq": 4 / 6, "rq": 1},
            "3": {"pq": 0, "sq": 0, "rq": 0},
            "1000": {"pq": 0, "sq": 0, "rq": 0},
        },
    }


def by_definition(pairs: Pairs) -> dict[str, dict[str, float]]:
    """PQ per category. Areas of the ground truth are those of the JSON; the last crowd of a category excuses."""
    sums: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(4))  # IoU, hits, false positives, misses
    for truth, prediction in pairs:
        void = set(np.flatnonzero(truth.ids == 0))
        crowds = {s["category_id"]: set(np.flatnonzero(truth.ids == s["id"])) for s in truth.segments if s["iscrowd"]}
        targets = {s["id"]: s for s in truth.segments if not s["iscrowd"]}
        for guess in prediction.segments:
            mine = set(np.flatnonzero(prediction.ids == guess["id"]))
            hits = []
            for i, target in targets.items():
                shared = len(mine & set(np.flatnonzero(truth.ids == i)))
                iou = shared / (len(mine - void) + target["area"] - shared)
                if target["category_id"] == guess["category_id"] and iou > 0.5:
                    hits.append((i, iou))
            for i, iou in hits:
                sums[guess["category_id"]] += (iou, 1, 0, 0)
                targets.pop(i)
            excused = void | crowds.get(guess["category_id"], set())
            if not hits and len(mine & excused) <= len(mine) / 2:
                sums[guess["category_id"]] += (0, 0, 1, 0)
        for target in targets.values():
            sums[target["category_id"]] += (0, 0, 0, 1)
    quality = {str(category["id"]): {"pq": 0.0, "sq": 0.0, "rq": 0.0} for category in CATEGORIES}
    for category, (iou, hits, wrong, missed) in sums.items():
        count = hits + wrong / 2 + missed / 2
        quality[str(category)] = {"pq": iou / count, "sq": iou / max(hits, 1), "rq": hits / count}
    return quality


def test_random_maps_against_the_definition(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = [random_pictures(rng) for _ in range(10)]
    found, expected = results(compare(tmp_path, pairs)), by_definition(pairs)
    assert found["per_class"] == {category: pytest.approx(quality) for category, quality in expected.items()}
    for name, kinds in (("All", (0, 1)), ("Things", (1,)), ("Stuff", (0,))):
        members = [expected[str(category["id"])] for category in CATEGORIES if category["isthing"] in kinds]
        means = {key: np.mean([quality[key] for quality in members]) for key in ("pq", "sq", "rq")}
        assert found[name] == pytest.approx(means | {"n": len(members)})


def test_fifty_random_maps_against_panopticapi(tmp_path: Path) -> None:
    """Its code is part of cityscapesScripts; on PyPI, panopticapi itself is there for numpy 1 alone."""
    name = "cityscapesscripts.evaluation.evalPanopticSemanticLabeling"
    reference = pytest.importorskip(name, reason="cityscapesScripts is not installed; it is only needed for this")
    rng = np.random.default_rng(1)
    pairs = [random_pictures(rng) for _ in range(50)]
    found = results(compare(tmp_path, pairs))
    annotations = [json.loads((tmp_path / file).read_text())["annotations"] for file in ("gt.json", "pred.json")]
    categories = {category["id"]: category for category in CATEGORIES}
    folders = str(tmp_path / "gt"), str(tmp_path / "pred")
    expected = reference.pq_compute_single_core(0, list(zip(*annotations, strict=True)), *folders, categories)
    for part, isthing in (("All", None), ("Things", True), ("Stuff", False)):
        mean, per_class = expected.pq_average(categories, isthing)
        assert found[part] == pytest.approx(mean, abs=1e-9)
        for category, quality in per_class.items():
            assert found["per_class"][str(category)] == pytest.approx(quality, abs=1e-9)


def test_several_processes_give_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    alone = compare(tmp_path, [random_pictures(rng) for _ in range(5)])
    monkeypatch.setattr(panoptic_comparison, "IMAGES_PER_PROCESS", 1)
    done: list[None] = []
    together = compare_panoptic(alone.files, lambda: done.append(None), processes=2)
    assert together.matches == alone.matches
    assert together.quality == alone.quality
    assert len(done) == 5


def test_the_same_images_as_a_semantic_segmentation(tmp_path: Path) -> None:
    truth = true_picture(columns((1, 6), (2, 4), (0, 3)), {1: ROAD, 2: CAR}, crowds=[2])
    prediction = predicted_picture(columns((1, 5), (0, 2), (2, 2), (3, 4)), {1: ROAD, 2: PERSON, 3: CAR})
    road, car, _, person, nothing = range(5)
    confusion = compare(tmp_path, [(truth, prediction)]).pixels.confusion
    expected = np.zeros((4, 5), int)
    expected[road, [road, nothing]] = 10, 2
    expected[car, [nothing, person, car]] = 2, 4, 2
    np.testing.assert_array_equal(confusion, expected)


GROUND = true_picture(columns((1, 6), (2, 4)), {1: ROAD, 2: CAR})


def refused(folder: Path, *predictions: Picture) -> str:
    with pytest.raises(DataError) as caught:
        compare(folder, [(GROUND, prediction) for prediction in predictions])
    return str(caught.value)


def test_all_problems_are_reported_by_image(tmp_path: Path) -> None:
    fine = predicted_picture(GROUND.ids, {1: ROAD, 2: CAR})
    absent = predicted_picture(GROUND.ids, {1: ROAD, 2: CAR, 300: CAR, 8: SKY})
    extra = predicted_picture(GROUND.ids, {1: ROAD})
    strange = predicted_picture(GROUND.ids, {1: ROAD, 2: 91})
    small = predicted_picture(GROUND.ids[:, :-1], {1: ROAD, 2: CAR})
    void = Picture(GROUND.ids, [segment(0, SKY), segment(1, ROAD), segment(2, CAR)])
    message = refused(tmp_path, fine, absent, extra, strange, small, void)
    head, *lines = message.splitlines()
    assert head == f"{tmp_path / 'pred.json'} cannot be evaluated:"
    png = tmp_path / "pred"
    assert lines == [
        f"image 12 (12.png): the prediction's JSON lists segments that {png / '12.png'} lacks: ids 300, 8",
        f"image 13 (13.png): {png / '13.png'} has segments that the prediction's JSON does not list: ids 2",
        "image 14 (14.png): the prediction has category ids that the ground truth does not define: 91 (segment 2)",
        "image 15 (15.png): prediction is (2, 9), ground truth is (2, 10); expected the same shape",
        f"image 16 (16.png): the prediction's JSON lists segments that {png / '16.png'} lacks: ids 0",
    ]


def test_a_missing_png_is_named(tmp_path: Path) -> None:
    predictions = write(tmp_path, "pred", [GROUND, GROUND])
    truths = write(tmp_path, "gt", [GROUND, GROUND])
    (tmp_path / "pred" / "12.png").unlink()
    with pytest.raises(DataError, match=r"image 12 \(12\.png\): .*pred/12\.png cannot be read: No such file"):
        compare_panoptic(open_panoptic_files(truths, predictions))


def test_a_contradictory_ground_truth_counts_as_in_panopticapi_and_is_reported(tmp_path: Path) -> None:
    truth = Picture(columns((1, 6), (2, 4), (8, 1)), [segment(1, ROAD, area=10, iscrowd=0), segment(4, CAR, area=3)])
    comparison = compare(tmp_path, [(truth, predicted_picture(truth.ids, {1: ROAD, 2: SKY, 8: SKY}))])
    found = results(comparison)["per_class"]
    assert found["7"] == {"pq": 12 / 10, "sq": 12 / 10, "rq": 1}  # the JSON says 10 pixels, the PNG has 12
    assert found["90"]["rq"] == 0  # 4 is a miss
    assert found["3"]["rq"] == 0  # 2 and 8 are not void: what lies there is wrong
    png = tmp_path / "gt" / "11.png"
    assert comparison.doubts == (
        "image 11 (11.png): areas of ground truth segments differ; those of the JSON are used: "
        "1 (10 in the JSON, 12 in the PNG), 4 (3 in the JSON, 0 in the PNG)",
        f"image 11 (11.png): {png} has segments that the JSON does not list; they are not matched: ids 2, 8",
    )
