"""HTML report of the evaluation on a data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.data.sample import LabeledDataset, panoptic_ground_truth
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.cards import (
    NO_INSTANCES,
    TRACKING_NOTE,
    class_bars_card,
    class_table,
    confusion_cards,
    describe_matches,
    scores_card,
    segments_card,
    tracking_text,
)
from bisenetformer_ros.reports.examples import NUM_EXAMPLES, Example, SegmentedImage, error_legend, example_row
from bisenetformer_ros.reports.latency import BARS_NOTE, latency_bars
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.reports.paper import paper_cards
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class DatasetReport:
    """Content of the report.

    Attributes:
        name: Name of the data set in the catalog.
        circumstances: Name → text about how the figures were obtained: "model", "weights_precision", "data", …
    """

    name: str
    evaluation: DatasetEvaluation
    dataset: LabeledDataset
    segmenter: Segmenter
    circumstances: Mapping[str, str]


def write_dataset_report(report: DatasetReport, path: Path) -> None:
    """Write the report to one self-contained file. Segments the worst images again for their pictures."""
    evaluation, labels = report.evaluation, report.dataset.labels.labels
    lead = f"{report.circumstances['data']} · {len(evaluation.images)} images · {report.circumstances['model']}"
    matches = [image.matches for image in evaluation.images if image.matches is not None]
    blocks = [
        page.warning(report.segmenter.task_warning),
        page.tiles(_key_figures(evaluation)),
        *_paper_cards(report),
        _quality_card(report),
        class_bars_card(labels, evaluation.mean_iou, evaluation.panoptic_quality),
        *_tracking_cards(evaluation),
        *([segments_card(labels, matches)] if matches else []),
        *confusion_cards(labels, evaluation.mean_iou),
        *([_images_card(evaluation), _examples_card(report)] if evaluation.ranked() else []),
        *([_latency_card(evaluation)] if evaluation.latency.count else []),
        page.card("Setup", page.facts({**report.circumstances, **describe_machine()}.items())),
    ]
    write_atomically(path, page.page(f"BiSeNetFormer on {report.name}", lead, blocks).encode())


def _key_figures(evaluation: DatasetEvaluation) -> Iterator[tuple[str, str]]:
    quality, latency = evaluation.panoptic_quality, evaluation.latency
    if quality is not None:
        yield percent(quality.all.pq), "PQ, percent"
        yield f"{percent(quality.things.pq)} · {percent(quality.stuff.pq)}", "PQ of things · of stuff"
    yield percent(evaluation.mean_iou.miou), "mIoU, percent"
    yield percent(evaluation.mean_iou.pixel_accuracy), "pixel accuracy, percent"
    if latency.count:
        yield f"{latency.p50_ms:.0f} ms", f"per image, median (p95: {latency.p95_ms:.0f} ms)"


def _paper_cards(report: DatasetReport) -> Iterator[Html]:
    evaluation, segmenter = report.evaluation, report.segmenter
    measured = {"miou": 100 * evaluation.mean_iou.miou}
    if evaluation.latency.count:
        measured["fps"] = 1000 / evaluation.latency.p50_ms
    if evaluation.panoptic_quality is not None:
        quality = evaluation.panoptic_quality
        parts = {"pq": quality.all, "pq_things": quality.things, "pq_stuff": quality.stuff}
        measured |= {name: 100 * part.pq for name, part in parts.items()}
    architecture, weights = segmenter.engine.metadata.architecture, report.circumstances["weights_precision"]
    return paper_cards(report.name, segmenter.task, architecture, measured, weights)


def _quality_card(report: DatasetReport) -> Html:
    evaluation = report.evaluation
    note = "Percent, at the size of the labels, without ignored pixels. A dash: the class does not occur."
    if evaluation.panoptic_quality and not report.dataset.has_instances:
        note += f" {NO_INSTANCES}"
    table = class_table(report.dataset.labels, evaluation.mean_iou, evaluation.panoptic_quality)
    return page.card("Quality", table, note=note)


def _tracking_cards(evaluation: DatasetEvaluation) -> Iterator[Html]:
    if evaluation.tracking is not None:
        yield page.card("Tracking", note=f"{tracking_text(evaluation.tracking)} {TRACKING_NOTE}")


def _images_card(evaluation: DatasetEvaluation) -> Html:
    name = "mIoU" if evaluation.panoptic_quality is None else "PQ"
    return scores_card(f"{name} image by image", evaluation.scores(), note="Over the classes in that image.")


def _latency_card(evaluation: DatasetEvaluation) -> Html:
    note = f"Per image, without reading the file. {BARS_NOTE}"
    return page.card("Latency", latency_bars(evaluation.latencies()), note=note)


def _examples_card(report: DatasetReport) -> Html:
    indices = report.evaluation.ranked()[:NUM_EXAMPLES]
    examples = [_load_example(report, index) for index in indices]
    rows = [example_row(example, report.dataset.labels.labels) for example in examples]
    return page.card("Worst images", *rows, error_legend(report.evaluation.panoptic_quality is not None))


def _load_example(report: DatasetReport, index: int) -> Example:
    sample, score = report.dataset[index], report.evaluation.images[index]
    result = report.segmenter(sample.rgb)
    title = f"{sample.name}: mIoU {percent(score.miou)}"
    if result.panoptic_map is None or score.pq is None:
        prediction, truth = (SegmentedImage.of_labels(labels) for labels in (result.label_map, sample.label_map))
        return Example(title, sample.rgb, prediction, truth)
    found = result.class_ids
    gt_map, gt_classes, crowd_ids = panoptic_ground_truth(sample.label_map, sample.instance_map, report.dataset.labels)
    matches = PanopticQuality(report.dataset.labels).update(result.panoptic_map, found, gt_map, gt_classes, crowd_ids)
    title += f", PQ {percent(score.pq)}, {describe_matches(matches)}"
    prediction, truth = SegmentedImage(result.panoptic_map, found), SegmentedImage(gt_map, gt_classes)
    return Example(title, sample.rgb, prediction, truth, crowd_ids, matches)
