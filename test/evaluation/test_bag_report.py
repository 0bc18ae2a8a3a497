"""The page says what was measured; it is read as XML, as far as its markup goes."""

import re
from dataclasses import replace

import pytest

from bisenetformer_ros.evaluation.bag import BagTopics, evaluate_bag
from bisenetformer_ros.evaluation.bag_examples import load_examples, worst_frames
from bisenetformer_ros.evaluation.bag_frames import FrameRecord
from bisenetformer_ros.evaluation.bag_report import BagReport, write_bag_report
from bisenetformer_ros.segmenter import Segmenter

TOPICS = BagTopics("/camera/image_raw", "/labels/mask", "/labels/instances")
CIRCUMSTANCES = {"command": "bisenetformer evaluate-bag drive", "model": "random <1>", "engine": "torch"}


@pytest.fixture(scope="module")
def segmenter(random_weights) -> Segmenter:
    return Segmenter(random_weights, score_threshold=0.0, overlap_threshold=0.3)


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
        "Where the time goes",
        "Latency and drops over time",
        "Quality",
        "mIoU over time",
        "Consistency over time",
        "Class shares over time",
        "Worst frames",
        "How it was made",
    ]
    assert f"<b>{100 * evaluation.measures['miou']:.1f}</b><span>mIoU, percent</span>" in page
    assert "<b>6 of 6</b><span>frames segmented</span>" in page
    assert page.count("<figcaption>truth</figcaption>") == 2
    assert "random &lt;1&gt;" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_a_drive_without_labels_shows_the_frame_before(evaluation, drive, segmenter, tmp_path) -> None:
    bare = replace(evaluation, mean_iou=None, panoptic_quality=None, num_labeled=0)
    topics = BagTopics("/camera/image_raw")
    examples = load_examples(drive, topics, segmenter, bare, worst_frames(bare, "consistency", 2))
    page = write(bare, drive, examples, tmp_path)
    assert "Quality" not in headings(page)
    assert page.count("<figcaption>classes of the frame before</figcaption>") == 2


def test_dropped_frames_are_shown_with_their_reason(evaluation, drive, tmp_path) -> None:
    drop = FrameRecord("drive_000006", 9, 2_000_000_000, "bad_input.zero_size", "got 0x4 & nothing")
    page = write(replace(evaluation, frames=[*evaluation.frames, drop]), drive, [], tmp_path)
    assert "<td>unusable: zero_size</td><td>1</td>" in page
    assert "drive_000006: got 0x4 &amp; nothing" in page
    assert "<h3>Unusable frames</h3>" in page
    assert 'class="missing"' in page
