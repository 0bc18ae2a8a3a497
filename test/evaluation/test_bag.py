"""The evaluation of a bag against the same measures computed from the arrays that it was made of."""

import numpy as np
import pytest

from bisenetformer_ros.bags.message_types import message_types, messages
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.data.sample import panoptic_ground_truth
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.evaluation.bag import BagTopics, evaluate_bag
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.metrics.video_quality import VideoQuality
from bisenetformer_ros.segmenter import Segmenter

TOPICS = BagTopics("/camera/image_raw", "/labels/mask", "/labels/instances")


@pytest.fixture(scope="session")
def semantic(random_weights) -> Segmenter:
    return Segmenter(random_weights, task="semantic", precision="fp32")


@pytest.fixture(scope="session")
def panoptic(random_weights) -> Segmenter:
    """Keeps what is unsure too, so that an untrained network finds something."""
    return Segmenter(random_weights, "auto", "panoptic", "cpu", "fp32", score_threshold=0.0, overlap_threshold=0.3)


@pytest.fixture(scope="session")
def label_maps(semantic, frames) -> list[np.ndarray]:
    return [semantic(rgb).label_map for rgb, _, _ in frames]


def iou_by_hand(label_maps, truths) -> list[float]:
    """Of every class: pixels of both, among the pixels of either, where there are labels."""
    found, true = np.concatenate([m.ravel() for m in label_maps]), np.concatenate([t.ravel() for t in truths])
    found, true = found[true != 255], true[true != 255]
    unions = [np.sum((found == k) | (true == k)) for k in range(11)]
    return [float(np.sum((found == k) & (true == k)) / union) if union else np.nan for k, union in enumerate(unions)]


def test_miou_is_that_of_the_labeled_frames(drive, semantic, frames, label_maps) -> None:
    seen = []
    evaluation, left_out = evaluate_bag(drive, TOPICS, semantic, on_frame=lambda frame, total, _: seen.append(total))
    labeled = [number for number in range(6) if number != 2]
    expected = iou_by_hand([label_maps[n] for n in labeled], [frames[n][1] for n in labeled])
    np.testing.assert_allclose(evaluation.mean_iou.per_class_iou, expected)
    assert evaluation.measures["miou"] == pytest.approx(np.nanmean(expected))
    assert evaluation.panoptic_quality is None
    assert (evaluation.num_labeled, evaluation.has_instances, left_out) == (5, True, [])
    assert seen == [6] * 6
    of_frames = [frame.miou for frame in evaluation.frames]
    assert of_frames[2] is None
    assert of_frames[4] == pytest.approx(np.nanmean(iou_by_hand([label_maps[4]], [frames[4][1]])))


def test_every_frame_has_its_times_and_its_class_shares(drive, semantic, label_maps) -> None:
    evaluation, _ = evaluate_bag(drive, BagTopics("/camera/image_raw"), semantic)
    assert [frame.stamp_ns for frame in evaluation.frames] == [1_000_000_000 + n * 100_000_000 for n in range(6)]
    for frame, label_map in zip(evaluation.frames, label_maps, strict=True):
        assert set(frame.times_ms) == {"decode", "preprocess", "inference", "postprocess"}
        assert min(frame.times_ms.values()) >= 0 < frame.times_ms["inference"]
        expected = [np.mean(label_map == value) for value in [*range(11), 255]]
        np.testing.assert_allclose(frame.class_shares, expected)
    latencies = evaluation.latencies()
    assert latencies["total"].count == 6
    assert latencies["total"].max_ms == pytest.approx(max(sum(f.times_ms.values()) for f in evaluation.frames))


def test_without_labels_there_is_consistency_alone(drive, semantic) -> None:
    evaluation, _ = evaluate_bag(drive, BagTopics("/camera/image_raw"), semantic)
    assert evaluation.mean_iou is None
    assert evaluation.panoptic_quality is None
    assert evaluation.consistency.num_pairs == 5
    assert set(evaluation.measures) == {"consistency"}
    assert evaluation.frames[0].consistency is None
    assert all(0 <= frame.consistency <= 1 for frame in evaluation.frames[1:])
    content = evaluation.to_dict()
    assert (content["miou"], content["panoptic"]) == (None, None)
    assert content["frames"] == {"read": 6, "segmented": 6, "dropped": {}, "missing_by_stamps": 0, "labeled": 0}


def test_panoptic_quality_is_that_of_the_labeled_frames(drive, panoptic, frames) -> None:
    evaluation, _ = evaluate_bag(drive, TOPICS, panoptic)
    quality = PanopticQuality(panoptic.labels)
    for number, (rgb, labels, instances) in enumerate(frames):
        if number != 2:
            result = panoptic(rgb)
            found = {segment.id: segment.class_id for segment in result.segments}
            quality.update(result.panoptic_map, found, *panoptic_ground_truth(labels, instances, panoptic.labels))
    assert any(result.segments for result in map(panoptic, (rgb for rgb, _, _ in frames)))
    assert evaluation.panoptic_quality == quality.result()
    assert "panoptic_consistency" in evaluation.measures


def test_tracking_is_measured_where_the_bag_has_instance_ids(drive, panoptic, frames) -> None:
    evaluation, _ = evaluate_bag(drive, TOPICS, panoptic)
    quality, track = VideoQuality(panoptic.labels), panoptic.track()
    for number, (rgb, labels, instances) in enumerate(frames):
        result = track(rgb, 0.1 * number)
        if number != 2:
            classes = {segment.id: segment.class_id for segment in result.segments}
            quality.update(result.panoptic_map, classes, labels, instances)
    expected = quality.result()
    tracking = evaluation.to_dict()["tracking"]
    assert (tracking["stq"], tracking["aq"], tracking["sq"]) == (expected.stq, expected.aq, expected.sq)
    assert tracking["vpq"]["1"] == expected.vpq[1]
    assert tracking["vpq"]["15"] is None, "the drive has no 15 frames"
    without_ids, _ = evaluate_bag(drive, BagTopics("/camera/image_raw", "/labels/mask"), panoptic)
    assert without_ids.to_dict()["tracking"] is None


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_images_recorded_in_swapped_order_are_evaluated_by_stamp(tmp_path, semantic, frames, storage) -> None:
    swapped = [1, 0, 2, 4, 3, 5, 7, 6, 8, 9]
    with BagWriter(tmp_path / "ordered") as ordered, BagWriter(tmp_path / "swapped", storage) as recorded:
        for writer, order in ((ordered, range(10)), (recorded, swapped)):
            writer.add_topic("/camera/image_raw", "sensor_msgs/msg/Image")
            writer.add_topic("/labels/mask", "sensor_msgs/msg/Image")
            for place, number in enumerate(order):
                header = messages.header(1_000_000_000 + number * 100_000_000)
                writer.write("/camera/image_raw", place * 100_000_000, messages.image(header, frames[number % 6][0]))
            for number in reversed(order) if writer is recorded else order:
                header = messages.header(1_000_000_000 + number * 100_000_000)
                writer.write("/labels/mask", number * 100_000_000, messages.image(header, frames[number % 6][1]))
    topics = BagTopics("/camera/image_raw", "/labels/mask")
    expected, _ = evaluate_bag(tmp_path / "ordered", topics, semantic)
    evaluation, _ = evaluate_bag(tmp_path / "swapped", topics, semantic, output=tmp_path / "out")
    assert (evaluation.num_labeled, evaluation.missing, evaluation.consistency.num_pairs) == (10, 0, 9)
    assert evaluation.measures == expected.measures
    assert [frame.name for frame in evaluation.frames] == [f"swapped_{swapped.index(n):06d}" for n in range(10)]
    with Bag(tmp_path / "out") as bag:
        masks = [
            (m.time_ns, message_types().deserialize_cdr(m.data, m.type)) for m in bag.messages(["/bisenetformer/mask"])
        ]
    assert [time_ns for time_ns, _ in masks] == [place * 100_000_000 for place in range(10)]
    assert [mask.header.stamp.nanosec for _, mask in masks] == [n * 100_000_000 for n in swapped]


def write_camera(path, entries, labels=()) -> None:
    """entries: messages of /camera; labels: of /labels/mask; both at 10 Hz."""
    with BagWriter(path) as writer:
        writer.add_topic("/camera", "sensor_msgs/msg/Image")
        for number, entry in enumerate(entries):
            writer.write("/camera", number * 100_000_000, entry)
        if labels:
            writer.add_topic("/labels/mask", "sensor_msgs/msg/Image")
        for number, entry in enumerate(labels):
            writer.write("/labels/mask", number * 100_000_000, entry)


def picture(number, frames):
    return messages.image(messages.header(number * 100_000_000), frames[number][0])


def test_unusable_images_are_counted_by_reason_and_the_others_are_evaluated(tmp_path, semantic, frames) -> None:
    images = [picture(number, frames) for number in range(6)]
    images[1].encoding = "32FC1"
    images[3].height = 0
    write_camera(tmp_path / "drive", images)
    results = []
    evaluation, _ = evaluate_bag(
        tmp_path / "drive", BagTopics(), semantic, on_result=lambda frame, result: results.append((frame.name, result))
    )
    assert evaluation.dropped == {"bad_input.unknown_encoding": 1, "bad_input.zero_size": 1}
    assert [name for name, _ in results] == [f"drive_{number:06d}" for number in (0, 2, 4, 5)]
    np.testing.assert_array_equal(results[1][1].label_map, semantic(frames[2][0]).label_map)
    assert "'32FC1' is a depth image" in evaluation.frames[1].reason
    assert evaluation.consistency.num_pairs == 1  # 4 and 5; between all others one is missing
    assert evaluation.to_dict()["per_frame"][3]["dropped"] == "bad_input.zero_size"


def test_frames_far_apart_are_not_compared(tmp_path, semantic, frames) -> None:
    stamps = [0, 100, 200, 900, 1000, 900]
    images = [messages.image(messages.header(ms * 1_000_000), frames[0][0]) for ms in stamps]
    write_camera(tmp_path / "drive", images)
    evaluation, _ = evaluate_bag(tmp_path / "drive", BagTopics(), semantic)
    compared = [frame.consistency for frame in evaluation.frames]
    assert compared == [None, 1.0, 1.0, None, 1.0, None]


def test_a_bag_of_unusable_images_is_refused(tmp_path, semantic, frames) -> None:
    image = picture(0, frames)
    image.step = 1
    write_camera(tmp_path / "drive", [image, image])
    with pytest.raises(
        InputError, match=r"none of the 2 images of /camera can be decoded: 96 rgb8 pixels take 288 bytes"
    ):
        evaluate_bag(tmp_path / "drive", BagTopics(), semantic)


def test_labels_with_other_stamps_are_rejected(tmp_path, semantic, frames) -> None:
    labels = [messages.image(messages.header(n * 100_000_000 + 7), frames[n][1]) for n in range(2)]
    write_camera(tmp_path / "drive", [picture(n, frames) for n in range(2)], labels)
    topics = BagTopics("/camera", "/labels/mask")
    with pytest.raises(DataError, match=r"no label image of /labels/mask has the stamp of an image of /camera"):
        evaluate_bag(tmp_path / "drive", topics, semantic)


def test_the_copy_of_the_bag_holds_the_results(drive, semantic, label_maps, tmp_path) -> None:
    evaluate_bag(drive, BagTopics("/camera/image_raw"), semantic, output=tmp_path / "out")
    with Bag(tmp_path / "out") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        masks = [message_types().deserialize_cdr(m.data, m.type) for m in bag.messages(["/bisenetformer/mask"])]
    assert (counts["/camera/image_raw"], counts["/labels/mask"], counts["/bisenetformer/overlay"]) == (6, 5, 6)
    for mask, label_map in zip(masks, label_maps, strict=True):
        np.testing.assert_array_equal(mask.data.reshape(label_map.shape), label_map)
