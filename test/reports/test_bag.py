"""The report shows what was measured."""

import re
from dataclasses import replace

import pytest

from bisenetformer_ros.evaluation.bag import BagTopics, evaluate_bag
from bisenetformer_ros.evaluation.bag_frames import FrameRecord
from bisenetformer_ros.evaluation.bag_playback import RouteComparison
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.reports.bag import BagReport, write_bag_report
from bisenetformer_ros.reports.bag_examples import load_examples, worst_frames
from bisenetformer_ros.segmenter import Segmenter

TOPICS = BagTopics("/camera/image_raw", "/labels/mask", "/labels/instances")
CIRCUMSTANCES = {"command": "bisenetformer evaluate-bag drive", "model": "random <1>", "engine": "torch"}


@pytest.fixture(scope="module")
def segmenter(random_weights) -> Segmenter:
    return Segmenter(random_weights, precision="fp32", score_threshold=0.0, overlap_threshold=0.3)


@pytest.fixture(scope="module")
def evaluation(drive, segmenter):
    return evaluate_bag(drive, TOPICS, segmenter)[0]


def write(evaluation, drive, examples, tmp_path) -> str:
    write_bag_report(BagReport(drive, evaluation, examples, None, CIRCUMSTANCES), tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def headings(page: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page)


def test_a_labeled_drive(evaluation, drive, segmenter, tmp_path) -> None:
    examples = load_examples(drive, TOPICS, segmenter, evaluation, worst_frames(evaluation, "miou", 2))
    page = write(evaluation, drive, examples, tmp_path)
    assert headings(page) == [
        "Frames",
        "Latency",
        "Latency and drops over time",
        "Quality",
        "mIoU over time",
        "Tracking",
        "Consistency over time",
        "Class shares over time",
        "Worst frames",
        "Setup",
    ]
    assert f"<b>{100 * evaluation.measures['miou']:.1f}</b><span>mIoU, percent</span>" in page
    assert "<b>6</b><span>of 6 frames segmented</span>" in page
    assert page.count("<figcaption>truth</figcaption>") == 2
    assert "random &lt;1&gt;" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_a_drive_without_labels_shows_the_previous_frame(evaluation, drive, segmenter, tmp_path) -> None:
    bare = replace(evaluation, mean_iou=None, panoptic_quality=None, num_labeled=0)
    topics = BagTopics("/camera/image_raw")
    examples = load_examples(drive, topics, segmenter, bare, worst_frames(bare, "consistency", 2))
    page = write(bare, drive, examples, tmp_path)
    assert "Quality" not in headings(page)
    assert page.count("<figcaption>classes of the previous frame</figcaption>") == 2


def test_dropped_frames_are_shown_with_their_reason(evaluation, drive, tmp_path) -> None:
    drop = FrameRecord("drive_000006", 9, 2_000_000_000, "bad_input.zero_size", "got 0x4 & nothing")
    page = write(replace(evaluation, frames=[*evaluation.frames, drop]), drive, [], tmp_path)
    assert "<td>unusable: zero_size</td><td>1</td>" in page
    assert "drive_000006: got 0x4 &amp; nothing" in page
    assert "<h3>Unusable frames</h3>" in page
    assert 'class="missing"' in page


def test_the_live_node_has_its_own_latency_and_drops(evaluation, drive, tmp_path) -> None:
    recording = Recording(tmp_path)
    recording.add({"event": "opened", "height": 64, "width": 96, "frames": 2, "frame_id": "camera"})
    for stamp in (1, 2):
        recording.add({"event": "sent", "stamp": stamp, "name": f"drive_{stamp:06d}"})
    stages = dict.fromkeys(("transport", "decode", "preprocess", "inference", "postprocess", "publish"), 5.0)
    recording.add({"event": "mask", "stamp": 1, "frame_id": "camera", "age_ms": 40.0})
    recording.add({"event": "latency", "stamp": 1, "frame_id": "camera", "stages": stages | {"total": 30.0}})
    comparison = RouteComparison(recording, "lockstep")
    write_bag_report(BagReport(drive, evaluation, [], comparison, CIRCUMSTANCES), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert headings(page)[8:10] == ["The same bag through the node", "Latency and drops in the node"]
    assert "<b>different</b><span>results of the live node</span>" in page  # nothing was compared
    assert "<td>received from the node</td><td>1</td>" in page
    assert page.count('class="missing"') == 1
