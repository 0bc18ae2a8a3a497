"""STQ and VPQ against their definitions on sets of pixels, which is slow but plain."""

from collections import defaultdict

import numpy as np
import pytest

from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.metrics.video_quality import WINDOWS, VideoQuality
from bisenetformer_ros.results import UNLABELED

ROAD, SKY, CAR, PERSON = range(4)
LABELS = LabelMap(
    "street",
    tuple(
        Label(i, name, is_thing=i >= CAR, color=(i, i, i)) for i, name in enumerate(("road", "sky", "car", "person"))
    ),
)
SIZE = (6, 8)
NUM_FRAMES = 18


def random_video(seed: int) -> list[tuple[np.ndarray, dict[int, int], np.ndarray, np.ndarray]]:
    """Frames of prediction and truth with void, crowds, wrong classes, lost tracks and tracks that change hands."""
    random = np.random.default_rng(seed)
    cells = random.integers(0, 9, SIZE)
    frames = []
    for number in range(NUM_FRAMES):
        cells = np.roll(cells, 1, axis=1)
        label_map = np.array([ROAD, SKY, CAR, CAR, PERSON, PERSON, PERSON, CAR, UNLABELED], np.uint8)[cells]
        instance_map = np.array([0, 0, 1, 2, 1, 2, 0, 0, 0])[cells]  # cells 6 and 7 are crowds
        pred_map = np.array([1, 2, 3, 4, 5, 6, 7, 8, 0])[cells]
        wrong = random.random(SIZE) < 0.2
        pred_map[wrong] = random.integers(0, 9, wrong.sum())
        if number > 12:
            pred_map = np.array([0, 1, 2, 4, 3, 6, 5, 7, 8])[pred_map]
        classes = {1: ROAD, 2: SKY, 3: CAR, 4: CAR, 5: PERSON, 6: PERSON, 7: PERSON, 8: CAR if number % 5 else PERSON}
        frames.append(
            (pred_map, {i: classes[i] for i in np.unique(pred_map[pred_map > 0]).tolist()}, label_map, instance_map)
        )
    return frames


def add(quality: VideoQuality, video: list) -> None:
    for frame in video:
        quality.update(*frame)


def association_by_definition(videos: list) -> float:
    """Equation 4 of the paper: tubes as sets of pixels (frame, row, column)."""
    of_tubes = []
    for video in videos:
        true, predicted = defaultdict(set), defaultdict(set)
        for number, (pred_map, classes, label_map, instance_map) in enumerate(video):
            for row, column in np.ndindex(*SIZE):
                pixel, label = (number, row, column), label_map[row, column]
                instance, track = instance_map[row, column], int(pred_map[row, column])
                is_crowd = label in (CAR, PERSON) and instance == 0
                if label in (CAR, PERSON) and not is_crowd:
                    true[label, instance].add(pixel)
                if track and classes[track] in (CAR, PERSON) and not is_crowd:
                    predicted[classes[track], track].add(pixel)
        for tube in true.values():
            overlaps = ((len(tube & other), len(tube | other)) for other in predicted.values())
            of_tubes.append(sum(shared * shared / union for shared, union in overlaps) / len(tube))
    return float(np.mean(of_tubes))


def segmentation_by_definition(videos: list) -> float:
    true, predicted = defaultdict(set), defaultdict(set)
    for video_number, video in enumerate(videos):
        for number, (pred_map, classes, label_map, _) in enumerate(video):
            for row, column in np.ndindex(*SIZE):
                if label_map[row, column] != UNLABELED:
                    pixel = (video_number, number, row, column)
                    true[int(label_map[row, column])].add(pixel)
                    predicted[classes.get(int(pred_map[row, column]))].add(pixel)  # None: a class of its own
    return float(np.mean([len(true[c] & predicted[c]) / len(true[c] | predicted[c]) for c in {*true, *predicted}]))


@pytest.mark.parametrize("seed", range(3))
def test_stq_is_what_its_definition_says_for_videos_with_void_and_crowds(seed):
    videos = [random_video(seed), random_video(100 + seed)]
    quality = VideoQuality(LABELS)
    add(quality, videos[0])
    quality.begin_video()
    add(quality, videos[1])
    result = quality.result()
    assert result.aq == pytest.approx(association_by_definition(videos), abs=1e-12)
    assert result.sq == pytest.approx(segmentation_by_definition(videos), abs=1e-12)
    assert result.stq == pytest.approx((result.aq * result.sq) ** 0.5)
    assert 0.2 < result.aq < 0.9


@pytest.mark.parametrize("length", WINDOWS)
def test_vpq_is_the_panoptic_quality_of_the_frames_of_a_window_side_by_side(length):
    videos = [random_video(5), random_video(6)]
    quality, expected = VideoQuality(LABELS), PanopticQuality(LABELS)
    for video in videos:
        quality.begin_video()
        add(quality, video)
        for first in range(NUM_FRAMES - length + 1):
            expected.update(*side_by_side(video[first : first + length]))
    assert quality.result().vpq[length] == pytest.approx(expected.result().all.pq, abs=1e-12)
    assert expected.result().all.n == 4


def side_by_side(frames: list) -> tuple:
    """One wide image whose segments are the tubes, numbered class · 1000 + id + 1."""
    pred_maps, true_maps, pred_segments, true_segments = [], [], {}, {}
    for pred_map, classes, label_map, instance_map in frames:
        number = {i: 1000 * class_id + i + 1 for i, class_id in classes.items()}
        pred_segments |= {number[i]: class_id for i, class_id in classes.items()}
        pred_maps.append(np.vectorize(lambda i, number=number: number.get(i, 0))(pred_map))
        true_map = np.where(label_map == UNLABELED, 0, 1000 * label_map.astype(int) + instance_map + 1)
        true_segments |= {int(i): int(i) // 1000 for i in np.unique(true_map) if i}
        true_maps.append(true_map)
    crowds = [i for i, class_id in true_segments.items() if class_id in (CAR, PERSON) and i % 1000 == 1]
    true_segments = dict(sorted(true_segments.items()))
    return np.hstack(pred_maps), pred_segments, np.hstack(true_maps), true_segments, crowds


def test_a_track_that_breaks_in_the_middle_halves_the_association_and_its_windows():
    quality = VideoQuality(LABELS)
    label_map, instance_map = np.full(SIZE, CAR, np.uint8), np.ones(SIZE, int)
    for number in range(20):
        track = 1 if number < 10 else 2
        quality.update(np.full(SIZE, track), {track: CAR}, label_map, instance_map)
    result = quality.result()
    assert (result.aq, result.sq, result.stq) == (0.5, 1.0, 0.5**0.5)
    assert result.vpq[1] == 1.0
    # 11 windows of 10 frames: 2 hold one track, 8 a larger and a smaller part of it, 1 two halves, which match nothing.
    parts = [max(n, 10 - n) / 10 for n in range(11)]
    hits = [part for part in parts if part > 0.5]
    misses, false_positives = len(parts) - len(hits), sum(1 if 0.5 < part < 1 else 2 * (part == 0.5) for part in parts)
    assert result.vpq[10] == pytest.approx(sum(hits) / (len(hits) + 0.5 * (misses + false_positives)))


def test_ids_that_differ_between_videos_do_not_matter():
    one, other = VideoQuality(LABELS), VideoQuality(LABELS)
    video = random_video(1)
    for quality, offset in ((one, 0), (other, 50)):
        add(quality, video)
        quality.begin_video()
        for pred_map, classes, *truth in video:
            renamed = np.where(pred_map > 0, pred_map + offset, 0)
            quality.update(renamed, {i + offset: class_id for i, class_id in classes.items()}, *truth)
    assert one.result() == other.result()


def test_nothing_measured_is_nan():
    result = VideoQuality(LABELS).result()
    assert np.isnan([result.stq, result.aq, result.sq, *result.vpq.values()]).all()
