"""HTML report of the demo."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.evaluation.boxes import MIN_IOU, MIN_PIXELS, BoxScores
from bisenetformer_ros.evaluation.demo import Outcome
from bisenetformer_ros.images.draw import colorize
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.numbers import counted, percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.cards import (
    NO_INSTANCES,
    TRACKING_NOTE,
    boxes_text,
    class_table,
    scores_card,
    tracking_text,
)
from bisenetformer_ros.reports.charts import stacked_columns
from bisenetformer_ros.reports.demo_pictures import overlay_of, spread, tracks_of
from bisenetformer_ros.reports.examples import spread_out
from bisenetformer_ros.reports.latency import (
    BARS_NOTE,
    NODE_STAGES,
    latency_bars,
    node_latency,
    stage_columns,
    stage_legend,
)
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.reports.top_view import top_view

SHOWN = 3
"""Number of best and of worst frames; without labels, twice as many frames spread over the drive."""
VIEWS = 3
"""Number of frames whose 3D boxes are drawn."""


def write_report(outcome: Outcome, animation: Path, path: Path) -> None:
    """Write the report to one self-contained file. animation: WebP file to embed."""
    settings = outcome.settings
    height, width = outcome.image_size
    lead = (
        f"{outcome.footage.description} · {width}x{height} at {settings.rate_hz:g} Hz · {outcome.node.get('model')} "
        f"({outcome.node.get('task')}) on {outcome.node.get('device')}"
    )
    blocks = [
        page.warning(outcome.task_warning),
        page.tiles(_key_figures(outcome)),
        page.card("The drive", page.embedded(animation.read_bytes(), "camera image, and the node's result over it")),
        *_tracks_card(outcome),
        _frames_card(outcome),
        *_latency_cards(outcome),
        *_quality_cards(outcome),
        _gallery_card(outcome),
        page.card("The node's last diagnostics while the camera was playing", page.facts(outcome.diagnostics())),
        page.card("Setup", page.facts(_circumstances(outcome))),
    ]
    write_atomically(path, page.page("BiSeNetFormer: a drive through the node", lead, blocks).encode())


def _key_figures(outcome: Outcome) -> Iterator[tuple[str, str]]:
    count, age = outcome.count, outcome.recording.latencies()["age"]
    yield f"{count.received} of {count.sent}", "frames came back segmented"
    yield f"{outcome.recording.rate_hz():.1f} Hz", "results at the listener"
    yield f"{age.p50_ms:.0f} ms", f"camera to listener, median (p95: {age.p95_ms:.0f} ms)"
    if outcome.scores:
        yield f"{100 * outcome.scores.mean_iou.miou:.1f}", "mIoU, percent"
        if outcome.scores.panoptic_quality:
            yield f"{100 * outcome.scores.panoptic_quality.all.pq:.1f}", "PQ, percent"
        if outcome.scores.tracking:
            yield percent(outcome.scores.tracking.stq), "STQ, percent"
        if outcome.scores.boxes:
            yield percent(outcome.scores.boxes.median_error), "error of 3D box centres, percent of the distance"


def _frames_card(outcome: Outcome) -> Html:
    count = outcome.count
    rows = [("sent by the camera", str(count.sent), "")]
    rows.append(("received by the listener", str(count.received), f"{100 * count.received / count.sent:.1f} %"))
    rows += [(f"dropped: {reason.replace('_', ' ')}", str(number), "") for reason, number in count.dropped.items()]
    if not count.dropped:
        rows.append(("dropped", "0", ""))
    strays = outcome.recording.strays()
    note = "Every output carries the stamp and frame_id of its camera image."
    if strays:
        note = f"{len(strays)} outputs match no camera image: {'; '.join(strays[:5])}"
    return page.card("Frames", page.table(("frames", "number", "share"), rows), note=note)


def _latency_cards(outcome: Outcome) -> Iterator[Html]:
    note = (
        f"{BARS_NOTE} The total is the time in the node, including the wait for the worker, up to the last message of "
        "a frame. Camera to listener ends with the mask, the first message."
    )
    yield page.card("Latency", latency_bars(outcome.recording.latencies()), note=note)
    chart = stacked_columns(stage_columns(node_latency(outcome.recording)), " ms")
    note = "From the camera's stamp to the last message published. Red columns: lost frames."
    yield page.card("Frame by frame", chart, stage_legend(NODE_STAGES), note=note)


def _quality_cards(outcome: Outcome) -> Iterator[Html]:
    scores = outcome.scores
    if scores is None:
        yield page.card("Quality", note=f"Not measured: {outcome.why_no_scores}.")
        return
    note = f"Percent, over {len(scores.frame_miou)} frames with labels; mIoU of ~/mask"
    note += ", PQ of ~/panoptic and ~/segments. " if scores.panoptic_quality else ". "
    note += "" if scores.exact_instances else NO_INSTANCES
    yield page.card(
        "Quality", class_table(outcome.recording.labels, scores.mean_iou, scores.panoptic_quality), note=note
    )
    if scores.tracking:
        yield page.card("Tracking", note=f"{tracking_text(scores.tracking)} {TRACKING_NOTE}")
    if scores.boxes:
        yield _boxes_card(outcome, scores.boxes)
    values = [scores.frame_miou.get(stamp) for stamp in sorted(outcome.recording.sent)]
    yield scores_card("mIoU frame by frame", values, note="Over the classes in that frame.")


def _tracks_card(outcome: Outcome) -> Iterator[Html]:
    grid = tracks_of(outcome.recording)
    if grid is not None:
        note = "Consecutive frames: a thing keeps its id and its shade while it is followed."
        yield page.card("Tracks", page.picture(grid, "time since the first of these frames, and ids"), note=note)


def _boxes_card(outcome: Outcome, boxes: BoxScores) -> Html:
    recording = outcome.recording
    arrived = {frame.stamp: frame for frame in boxes.frames if frame.stamp in recording.outputs["camera"]}
    rows = []
    for stamp in spread([stamp for stamp in arrived if arrived[stamp].errors] or [*arrived], VIEWS):
        overlaid = page.picture(overlay_of(recording, stamp), "overlay")
        view = page.figure(top_view(arrived[stamp], recording.labels), "from above")
        rows.append(page.row(recording.sent[stamp], [overlaid, view]))
    things = page.color_legend((label.color, label.name) for label in recording.labels if label.is_thing)
    note = (
        f"{boxes_text(boxes)} Over {counted(len(boxes.frames), 'frame')} with exact depth. Estimated boxes, with the "
        "ids of their tracks, over true boxes (dashed), forward up; the camera sees the shaded area. An estimated box "
        "holds the visible surface, a true one the whole thing. "
        f"Counted are things of {MIN_PIXELS} visible pixels or more; a mask of the same class with an IoU above "
        f"{MIN_IOU:g} finds one."
    )
    return page.card("3D boxes from above", *rows, things, note=note)


def _gallery_card(outcome: Outcome) -> Html:
    recording, scores = outcome.recording, outcome.scores
    if scores is None:
        stamps = spread(recording.complete(), 2 * SHOWN)
        rows = [_gallery_row(outcome, stamp, recording.sent[stamp]) for stamp in stamps]
        return page.card("Frames spread over the drive", *rows)
    scored = [stamp for stamp in recording.complete() if not math.isnan(scores.frame_miou.get(stamp, math.nan))]
    ranked = sorted(scored, key=scores.frame_miou.__getitem__)
    rows = []
    for kind, stamps in (("best", ranked[::-1]), ("worst", ranked)):
        for stamp in spread_out(stamps, int, SHOWN):
            title = f"{kind}: {recording.sent[stamp]}, mIoU {percent(scores.frame_miou[stamp])}"
            rows.append(_gallery_row(outcome, stamp, title))
    return page.card("Best and worst frames", *rows)


def _gallery_row(outcome: Outcome, stamp: int, title: str) -> Html:
    recording = outcome.recording
    result = recording.result(stamp)
    figures = [
        page.picture(recording.camera_rgb(stamp), "camera"),
        page.picture(overlay_of(recording, stamp), "overlay"),
        page.picture(colorize(result.label_map, recording.labels), "classes"),
    ]
    labels = outcome.footage.truth if outcome.scores else None
    truth = labels.load(recording.sent[stamp], recording.labels) if labels else None
    if truth is not None:
        figures.append(page.picture(colorize(truth[0], recording.labels), "truth"))
    if stamp in recording.outputs["confidence"]:
        figures.append(page.picture(np.dstack([result.confidence] * 3), "confidence (white: certain)"))
    return page.row(title, figures)


def _circumstances(outcome: Outcome) -> Iterator[tuple[str, str]]:
    settings = outcome.settings
    yield "command", outcome.command
    yield "model", f"{outcome.node.get('model')}, {outcome.node.get('label_map')}"
    yield "engine", f"{outcome.node.get('engine')}, {outcome.node.get('device')}, {outcome.node.get('precision')}"
    yield "camera", f"{settings.source}, {settings.rate_hz:g} Hz, at most {settings.num_frames} frames"
    middleware = os.environ.get("RMW_IMPLEMENTATION", "the default middleware")
    yield "graph", f"three processes on one machine, {middleware}, FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA"
    yield from describe_machine().items()
