"""HTML report of a prediction in the COCO panoptic format."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.evaluation.panoptic_comparison import PanopticComparison
from bisenetformer_ros.evaluation.panoptic_files import PanopticFiles
from bisenetformer_ros.images.coco_panoptic import read_ids
from bisenetformer_ros.images.files import read_rgb
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.panoptic_quality import image_pq
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.cards import (
    class_bars_card,
    class_table,
    confusion_cards,
    describe_matches,
    scores_card,
    segments_card,
)
from bisenetformer_ros.reports.examples import NUM_EXAMPLES, Example, SegmentedImage, error_legend, example_row
from bisenetformer_ros.reports.page import Html


def write_panoptic_report(
    comparison: PanopticComparison, photo_dir: Path | None, circumstances: Mapping[str, str], path: Path
) -> None:
    """Write the report to one self-contained file.

    Args:
        comparison: Content of the report.
        photo_dir: Folder of the images themselves, for the examples; None for examples without photos.
        circumstances: Name → text about how the figures were obtained.
        path: File to write.
    """
    files, quality, labels = comparison.files, comparison.quality, _labels(comparison.files)
    scores = [image_pq(matches, labels) for matches in comparison.matches]
    ranked = sorted((index for index, pq in enumerate(scores) if pq == pq), key=scores.__getitem__)
    seen = [label for label in labels if quality.per_class[label.id].n]
    note = f"Percent. The means exclude {len(labels) - len(seen)} of {len(labels)} categories, which do not occur."
    blocks = [
        page.tiles(_key_figures(comparison)),
        page.card("Quality", class_table(seen, comparison.pixels, quality), note=note),
        class_bars_card(seen, comparison.pixels, quality),
        segments_card(labels, comparison.matches),
        *confusion_cards(labels, comparison.pixels),
        scores_card("PQ image by image", scores, note="Over the categories in that image."),
        _examples_card(comparison, scores, ranked[:NUM_EXAMPLES], photo_dir),
        page.card("Setup", page.facts(circumstances.items()), note="; ".join(comparison.doubts[:5])),
    ]
    lead = f"{files.pred_json} · {len(files.pairs)} images · ground truth {files.gt_json}"
    write_atomically(path, page.page("Panoptic quality", lead, blocks).encode())


def _labels(files: PanopticFiles) -> tuple[Label, ...]:
    """Return the categories by position, with generated colours if the file has none."""
    spare = LabelMap.anonymous(254)
    return tuple(
        Label(i, category.name, category.is_thing, category.color or spare[i % len(spare)].color)
        for i, category in enumerate(files.categories)
    )


def _key_figures(comparison: PanopticComparison) -> Iterator[tuple[str, str]]:
    quality = comparison.quality
    yield percent(quality.all.pq), "PQ, percent"
    yield f"{percent(quality.things.pq)} · {percent(quality.stuff.pq)}", "PQ of things · of stuff"
    yield percent(quality.all.sq), "SQ, mean IoU of the matches"
    yield percent(quality.all.rq), "RQ, F1 score of the matches"
    yield percent(comparison.pixels.miou), "mIoU of the classes, percent"


def _examples_card(
    comparison: PanopticComparison, scores: Sequence[float], indices: Sequence[int], photo_dir: Path | None
) -> Html:
    labels = _labels(comparison.files)
    rows = [example_row(_load_example(comparison, index, scores[index], photo_dir), labels) for index in indices]
    return page.card("Worst images", *rows, error_legend(is_panoptic=True))


def _load_example(comparison: PanopticComparison, index: int, pq: float, photo_dir: Path | None) -> Example:
    pair, matches = comparison.files.pairs[index], comparison.matches[index]
    class_of = {category.id: position for position, category in enumerate(comparison.files.categories)}
    prediction, truth = (
        SegmentedImage(read_ids(png), {i: class_of[segment["category_id"]] for i, segment in segments.items()})
        for png, segments in ((pair.pred_png, pair.pred_segments), (pair.gt_png, pair.gt_segments))
    )
    crowd_ids = {i for i, segment in pair.gt_segments.items() if segment.get("iscrowd")}
    rgb = None
    if photo_dir is not None and pair.photo:
        rgb = cv2.resize(read_rgb(photo_dir / pair.photo), truth.ids.shape[::-1], interpolation=cv2.INTER_AREA)
    title = f"{pair.name}: PQ {percent(pq)}, {describe_matches(matches)}"
    return Example(title, rgb, prediction, truth, crowd_ids, matches)
