from dataclasses import replace

import pytest

from bisenetformer_ros.ros.health.findings import ERROR, OK, WARN, frame_findings, frames_overdue
from bisenetformer_ros.ros.health.statistics import FrameReport

HEALTHY = FrameReport(
    received=500,
    segmented=500,
    dropped={},
    details={},
    noted={},
    published={},
    non_increasing=0,
    arrival_rate=10.0,
    stamp_rate=10.0,
    camera_rate=10.0,
    output_rate=10.0,
    missing=0,
    recent_received=50,
    image_bytes=11520,
    recent_dropped={},
    delay_ms=80.0,
    seconds_since_frame=0.05,
    latency_ms={"total": (70.0, 80.0, 90.0)},
)
LOSS = "the mail was lost"
CLOCK = "ask a watchmaker"


def test_healthy_frames_have_no_findings():
    assert frame_findings(HEALTHY, LOSS, CLOCK) == []


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"recent_dropped": {"replaced_by_newer": 30}, "output_rate": 4.0}, WARN, ["10.0 Hz", "4.0 Hz", "smaller"]),
        (
            {"recent_dropped": {"replaced_by_newer": 6, "replaced_by_newer_result": 6}, "output_rate": 4.0},
            WARN,
            ["overload", "4.0 Hz"],
        ),
        ({"missing": 10}, WARN, ["10 of 60", "publishes at 10.0 Hz, images arrive at 10.0 Hz", LOSS]),
        (
            {"recent_dropped": {"bad_input.x": 3}, "details": {"bad_input.x": "got 0x4"}},
            WARN,
            ["3 unusable images in 5 s", "0x4"],
        ),
        (
            {"recent_dropped": {"bad_input.x": 50}, "details": {"bad_input.x": "y"}, "output_rate": 0.0},
            ERROR,
            ["50 unusable images in 5 s"],
        ),
        (
            {"recent_dropped": {"too_old": 5}, "details": {"too_old": "700 ms"}},
            WARN,
            ["5 of 50", "700 ms", "max_age", CLOCK],
        ),
        ({"recent_dropped": {"failed.Oops": 1}, "details": {"failed.Oops": "no memory"}}, ERROR, ["no memory"]),
        ({"delay_ms": -2000.0}, WARN, ["2.0 s ahead of this node's clock"]),
        ({"delay_ms": 1.7e12}, WARN, ["1700000000.0 s behind", CLOCK]),
    ],
)
def test_a_finding_has_the_figures_and_the_fix(change, level, words):
    (finding,) = frame_findings(replace(HEALTHY, **change), LOSS, CLOCK)
    assert finding.level == level
    for word in words:
        assert word in finding.text


def test_of_many_kinds_of_unusable_images_the_most_frequent_are_explained():
    """So that the message stays short whatever a camera sends."""
    kinds = {f"bad_input.kind_{number}": number for number in range(1, 8)}
    details = {kind: f"detail of {kind} {'x' * 100}" for kind in kinds}
    findings = frame_findings(replace(HEALTHY, recent_dropped=kinds, details=details), LOSS, CLOCK)
    assert [finding.text.split(" unusable")[0] for finding in findings[:-1]] == ["7", "6", "5"]
    assert all(details[f"bad_input.kind_{number}"] in findings[7 - number].text for number in (7, 6, 5))
    named = ", ".join(f"bad_input.kind_{number}" for number in (4, 3, 2, 1))
    assert findings[-1].text == f"10 more for other reasons: {named}"


@pytest.mark.parametrize("change", [{"recent_dropped": {"replaced_by_newer": 4}}, {"missing": 1}, {"missing": 2}])
def test_a_few_lost_frames_are_ignored(change):
    assert frame_findings(replace(HEALTHY, **change), LOSS, CLOCK) == []


BUSY = replace(
    HEALTHY, arrival_rate=3.6, output_rate=2.5, recent_received=18, missing=32, recent_dropped={"replaced_by_newer": 5}
)
"""A camera of 10 Hz, of which 3.6 arrive and 2.5 are segmented."""


def test_losses_on_the_way_come_before_overload():
    lost, overload = frame_findings(BUSY, LOSS, CLOCK)
    rates = "the camera publishes at 10.0 Hz, images arrive at 3.6 Hz"
    assert lost.text == f"about 32 of 50 frames in 5 s were lost in transport (gaps in their stamps): {rates}; {LOSS}"
    assert overload.text.startswith(f"overload: {rates}, the node segments at 2.5 Hz")


def test_an_overload_names_processes_that_compete_for_the_cores():
    load = "the load average is 9.0 on 2 cores"
    (overload,) = frame_findings(BUSY, "", "", load)
    assert f"stays bounded; {load}: stop other processes, or lower the camera's" in overload.text
    (overload,) = frame_findings(BUSY, "", "")
    assert "stays bounded; lower the camera's" in overload.text


def test_losses_without_a_known_cause_are_part_of_an_overload():
    (finding,) = frame_findings(BUSY, "", CLOCK)
    assert finding.text.startswith("overload: the camera publishes at 10.0 Hz, images arrive at 3.6 Hz, the node")


def test_losses_without_a_known_cause_and_without_overload():
    (finding,) = frame_findings(replace(BUSY, recent_dropped={}), "", CLOCK)
    assert finding.text.endswith("the camera, the network or this machine cannot keep up")


def test_the_rate_of_a_camera_without_a_period_is_not_claimed():
    (finding,) = frame_findings(replace(BUSY, missing=0, camera_rate=0.0), "", CLOCK)
    assert finding.text.startswith("overload: images arrive at 3.6 Hz, the node segments at 2.5 Hz")


def test_so_many_losses_that_the_rate_of_the_camera_is_unknown():
    report = replace(HEALTHY, camera_rate=0.0, arrival_rate=0.8, recent_received=4)
    (finding,) = frame_findings(report, LOSS, CLOCK)
    assert finding.text == f"frames are lost in transport: images arrive at 0.8 Hz; {LOSS}"


def test_a_clock_that_is_reported_elsewhere_is_not_blamed_twice():
    assert frame_findings(replace(HEALTHY, delay_ms=-1.7e12), "", "") == []


def test_no_overload_before_the_first_result():
    assert frame_findings(replace(HEALTHY, recent_dropped={"replaced_by_newer": 9}, output_rate=0.0), LOSS, CLOCK) == []


def test_frames_dropped_on_purpose_are_ignored():
    assert frame_findings(replace(HEALTHY, recent_dropped={"disabled": 50, "no_listener": 50}), LOSS, CLOCK) == []


def test_most_severe_first():
    report = replace(
        HEALTHY, missing=30, recent_dropped={"failed.RuntimeError": 1}, details={"failed.RuntimeError": "boom"}
    )
    assert [finding.level for finding in frame_findings(report, LOSS, CLOCK)] == [ERROR, WARN]


@pytest.mark.parametrize(
    ("since_frame", "seconds_active", "expected"),
    [
        (None, 1.0, False),  # just activated
        (None, 3.0, True),
        (0.1, 60.0, False),
        (4.0, 60.0, False),  # a slow camera
        (6.0, 60.0, True),
        (30.0, 1.0, False),  # deactivated in between
        (30.0, 3.0, True),
    ],
)
def test_frames_are_overdue_after_a_grace_period(since_frame, seconds_active, expected):
    assert frames_overdue(replace(HEALTHY, seconds_since_frame=since_frame), seconds_active) is expected


def test_levels_are_those_of_the_message():
    from diagnostic_msgs.msg import DiagnosticStatus

    assert [bytes([level]) for level in (OK, WARN, ERROR)] == [
        DiagnosticStatus.OK,
        DiagnosticStatus.WARN,
        DiagnosticStatus.ERROR,
    ]
