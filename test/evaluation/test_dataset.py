"""The measures of an untrained network's results against other ways of computing them."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from patience import LIMIT_S

from bisenetformer_ros.data.sample import Sample, panoptic_ground_truth
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate, evaluate_part, merge, read_samples
from bisenetformer_ros.evaluation.panoptic_comparison import compare_panoptic
from bisenetformer_ros.evaluation.panoptic_files import open_panoptic_files
from bisenetformer_ros.images.coco_panoptic import CocoPanopticWriter, ids_to_rgb
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.video_quality import VideoQuality
from bisenetformer_ros.segmenter import Segmenter

SIZES = ((64, 96), (64, 96), (48, 80))


class Noise:
    """Blocks of random classes, with instances, a crowd, ignored pixels, and things too small to count."""

    has_instances = True

    def __init__(self, labels: LabelMap) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(SIZES)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        height, width = SIZES[index]
        blocks = np.ones((16, 16), int)
        classes = np.kron(rng.choice([*range(len(self.labels)), 255], (height // 16, width // 16)), blocks)
        instances = np.kron(rng.integers(-1, 3, (height // 16, width // 16)), blocks)
        rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Sample(f"noise{index}", rgb, classes.astype(np.uint8), instances.astype(np.int32))


@pytest.fixture(scope="module")
def dataset() -> Noise:
    return Noise(LabelMap.load("camvid11"))


@pytest.fixture(scope="module")
def panoptic(random_weights: Path) -> Segmenter:
    """Accepts every segment that the network sees."""
    return Segmenter(random_weights, "torch", "panoptic", "cpu", "fp32", score_threshold=0, overlap_threshold=0)


@pytest.fixture(scope="module")
def evaluation(panoptic: Segmenter, dataset: Noise) -> DatasetEvaluation:
    return evaluate(panoptic, dataset)


def write_truth(folder: Path, dataset: Noise) -> Path:
    """The data set in the COCO panoptic format; image ids from 1."""
    (folder / "gt").mkdir()
    annotations = []
    for index in range(len(dataset)):
        sample = dataset[index]
        ids, classes, crowds = panoptic_ground_truth(sample.label_map, sample.instance_map, dataset.labels)
        write_image(folder / "gt" / f"{index}.png", ids_to_rgb(ids))
        segments = [{"id": i, "category_id": c, "iscrowd": int(i in crowds)} for i, c in classes.items()]
        annotations.append({"image_id": index + 1, "file_name": f"{index}.png", "segments_info": segments})
    categories = [{"id": label.id, "name": label.name, "isthing": int(label.is_thing)} for label in dataset.labels]
    (folder / "gt.json").write_text(json.dumps({"annotations": annotations, "categories": categories}))
    return folder / "gt.json"


def test_panoptic_quality_is_that_of_the_same_results_as_files(
    tmp_path: Path, panoptic: Segmenter, dataset: Noise, evaluation: DatasetEvaluation
) -> None:
    writer = CocoPanopticWriter(tmp_path, dataset.labels)
    for index in range(len(dataset)):
        writer.add(dataset[index].name, panoptic(dataset[index].rgb))
    files = open_panoptic_files(write_truth(tmp_path, dataset), writer.finish(), pred_dir=tmp_path)
    expected = compare_panoptic(files)
    assert evaluation.panoptic_quality == expected.quality
    assert [image.matches for image in evaluation.images] == list(expected.matches)
    assert sum(len(matches.hits) + len(matches.misses) for matches in expected.matches) > 0


def test_mean_iou_counts_every_pixel_of_every_image_once(
    panoptic: Segmenter, dataset: Noise, evaluation: DatasetEvaluation
) -> None:
    samples = [dataset[index] for index in range(len(dataset))]
    found = np.concatenate([panoptic(sample.rgb).label_map.ravel() for sample in samples])
    true = np.concatenate([sample.label_map.ravel() for sample in samples])
    found, true = found[true != 255], true[true != 255]
    iou = [((found == c) & (true == c)).sum() / ((found == c) | (true == c)).sum() for c in range(len(dataset.labels))]
    np.testing.assert_allclose(evaluation.mean_iou.per_class_iou, iou)
    assert evaluation.mean_iou.miou == pytest.approx(np.mean(iou))
    assert evaluation.mean_iou.pixel_accuracy == pytest.approx((found == true).mean())


def test_images_are_ranked_by_their_own_score(evaluation: DatasetEvaluation) -> None:
    scores = evaluation.scores()
    assert scores == [image.pq for image in evaluation.images]
    ranked = [scores[index] for index in evaluation.ranked()]
    assert ranked == sorted(scores)
    assert [image.name for image in evaluation.images] == ["noise0", "noise1", "noise2"]


def test_the_semantic_task_has_no_panoptic_quality(random_weights: Path, dataset: Noise) -> None:
    seen: list[int] = []
    evaluation = evaluate(Segmenter(random_weights, task="semantic"), dataset, lambda count, _: seen.append(count))
    assert seen == [1, 2, 3]
    assert evaluation.panoptic_quality is None
    assert evaluation.scores() == [image.miou for image in evaluation.images]
    content = evaluation.to_dict(dataset.labels)
    assert "All" not in content
    assert content["images"]["noise1"] == {"miou": evaluation.images[1].miou, "pq": None}


def test_everything_is_plain_json(dataset: Noise, evaluation: DatasetEvaluation) -> None:
    content = json.loads(json.dumps(evaluation.to_dict(dataset.labels), allow_nan=False))
    assert content["num_images"] == 3
    assert content["miou"] == evaluation.mean_iou.miou
    assert set(content["iou"]) == {label.name for label in dataset.labels}
    assert set(content["All"]) == {"pq", "sq", "rq", "n"}
    assert set(content["per_class"]) == {str(label.id) for label in dataset.labels}
    assert content["frame_ms"]["count"] == content["stage_ms"]["inference"]["count"] == 3


def test_the_time_of_an_image_is_that_of_its_stages(evaluation: DatasetEvaluation) -> None:
    sums = [sum(vars(image.times_ms).values()) for image in evaluation.images]
    assert evaluation.latency.max_ms == pytest.approx(max(sums))
    assert set(evaluation.latencies()) == {"preprocess", "inference", "postprocess", "total"}


class Videos(Noise):
    """The images as frames of two videos; the last one is no frame."""

    def __init__(self, labels: LabelMap, videos: tuple[str, ...]) -> None:
        super().__init__(labels)
        self.videos = videos

    def __getitem__(self, index: int) -> Sample:
        return replace(super().__getitem__(0 if index < 2 else index), video=self.videos[index])


@pytest.mark.parametrize("videos", [("a", "a", ""), ("a", "b", ""), ("a", "b", "b")])
def test_things_are_tracked_within_each_video(panoptic: Segmenter, videos: tuple[str, ...]) -> None:
    dataset = Videos(LabelMap.load("camvid11"), videos)
    expected = VideoQuality(dataset.labels)
    for video in sorted({*videos} - {""}):
        segmenter = panoptic.track()
        expected.begin_video()
        for index in (index for index in range(len(videos)) if videos[index] == video):
            sample = dataset[index]
            result = segmenter(sample.rgb)
            classes = {segment.id: segment.class_id for segment in result.segments}
            expected.update(result.panoptic_map, classes, sample.label_map, sample.instance_map)
    evaluation = evaluate(panoptic, dataset)
    tracking, figures = evaluation.tracking, expected.result()
    assert (tracking.stq, tracking.aq, tracking.sq) == pytest.approx((figures.stq, figures.aq, figures.sq))
    assert tracking.vpq == pytest.approx(figures.vpq, nan_ok=True)
    assert set(evaluation.to_dict(dataset.labels)["tracking"]) == {"stq", "aq", "sq", "vpq"}


def test_images_without_videos_are_not_tracked(dataset: Noise, evaluation: DatasetEvaluation) -> None:
    assert evaluation.tracking is None
    assert "tracking" not in evaluation.to_dict(dataset.labels)


def test_other_classes_are_refused(panoptic: Segmenter) -> None:
    with pytest.raises(ConfigError, match="different classes: 0 is sky in the model and road in the data, 1 is "):
        evaluate(panoptic, Noise(LabelMap.load("cityscapes19")))


def test_labels_of_another_size_are_refused(panoptic: Segmenter, dataset: Noise) -> None:
    class Cut(Noise):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return Sample(sample.name, sample.rgb[:-1], sample.label_map, sample.instance_map)

    with pytest.raises(DataError, match=r"noise0: the labels are \(64, 96\), the image is \(63, 96\)"):
        evaluate(panoptic, Cut(dataset.labels))


@pytest.mark.parametrize("ahead", [False, True])
def test_samples_are_read_in_order_and_errors_come_in_their_place(dataset: Noise, ahead: bool) -> None:
    class Damaged(Noise):
        def __getitem__(self, index: int) -> Sample:
            if index == 1:
                raise DataError("noise1 is damaged")
            return super().__getitem__(index)

    names = [sample.name for sample in read_samples(dataset, (2, 0, 1), ahead)]
    assert names == ["noise2", "noise0", "noise1"]
    samples = read_samples(Damaged(dataset.labels), (0, 1, 2), ahead)
    np.testing.assert_array_equal(next(samples).rgb, dataset[0].rgb)
    with pytest.raises(DataError, match="noise1 is damaged"):
        next(samples)
    assert list(read_samples(dataset, (), ahead)) == []


def test_the_next_sample_is_read_while_one_is_in_use(dataset: Noise) -> None:
    is_read = [threading.Event() for _ in SIZES]

    class Observed(Noise):
        def __getitem__(self, index: int) -> Sample:
            is_read[index].set()
            return super().__getitem__(index)

    samples = read_samples(Observed(dataset.labels), range(3), ahead=True)
    next(samples)
    assert is_read[1].wait(LIMIT_S)
    assert not is_read[2].is_set()
    samples.close()


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_merged_parts_are_the_evaluation_of_the_whole(random_weights: Path, dataset: Noise, task: str) -> None:
    segmenter = Segmenter(random_weights, "torch", task, "cpu", "fp32", score_threshold=0, overlap_threshold=0)
    whole = evaluate(segmenter, dataset).to_dict(dataset.labels)
    merged = merge([evaluate_part(segmenter, dataset, part) for part in ((1,), (), (2, 0))], dataset.labels)
    content = merged.to_dict(dataset.labels)
    for timing in ("frame_ms", "stage_ms"):
        del whole[timing], content[timing]
    assert content == whole
