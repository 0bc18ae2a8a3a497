from dataclasses import replace

import numpy as np
import pytest

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.evaluation.bag import BagTopics, evaluate_bag
from bisenetformer_ros.reports.bag_examples import load_examples, worst_frames
from bisenetformer_ros.segmenter import Segmenter

TOPICS = BagTopics("/camera/image_raw", "/labels/mask")


@pytest.fixture(scope="module")
def segmenter(random_weights) -> Segmenter:
    return Segmenter(random_weights, task="semantic", precision="fp32")


@pytest.fixture(scope="module")
def evaluation(drive, segmenter):
    return evaluate_bag(drive, TOPICS, segmenter)[0]


def test_the_worst_frames_come_first(evaluation) -> None:
    labeled = [frame for frame in evaluation.frames if frame.miou is not None]
    ranked = sorted(labeled, key=lambda frame: frame.miou)
    assert worst_frames(evaluation, "miou", 1) == ranked[:1]
    assert set(worst_frames(evaluation, "miou", 10)) <= set(labeled)
    assert worst_frames(evaluation, "consistency", 1)[0].consistency == min(
        f.consistency for f in evaluation.frames[1:]
    )


def test_two_of_the_worst_are_not_neighbours(evaluation) -> None:
    first, second = worst_frames(evaluation, "consistency", 2)
    assert abs(first.time_ns - second.time_ns) >= 50_000_000  # an eighth of the 0.4 s between first and last


def test_examples_hold_the_frame_its_result_and_its_labels(drive, segmenter, evaluation, frames) -> None:
    chosen = [evaluation.frames[number] for number in (4, 0, 2)]
    fourth, first, second = load_examples(drive, TOPICS, segmenter, evaluation, chosen)
    np.testing.assert_array_equal(fourth.rgb, frames[4][0])
    np.testing.assert_array_equal(fourth.truth, frames[4][1])
    np.testing.assert_array_equal(fourth.result.label_map, segmenter(frames[4][0]).label_map)
    np.testing.assert_array_equal(fourth.previous[0], frames[3][0])
    np.testing.assert_array_equal(fourth.previous[1].label_map, segmenter(frames[3][0]).label_map)
    assert first.previous is None
    assert second.truth is None
    np.testing.assert_array_equal(second.rgb, frames[2][0])


def test_without_a_label_topic_there_is_no_truth(drive, segmenter, evaluation) -> None:
    (example,) = load_examples(drive, BagTopics("/camera/image_raw"), segmenter, evaluation, evaluation.frames[3:4])
    assert example.truth is None


def test_a_frame_that_cannot_be_read_again_is_named(drive, segmenter, evaluation) -> None:
    moved = replace(evaluation.frames[3], time_ns=7)
    with pytest.raises(DataError, match=r"frame drive_000003 of /camera/image_raw, recorded at 7 ns, cannot be read"):
        load_examples(drive, TOPICS, segmenter, evaluation, [moved])
