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
    output_rate=10.0,
    missing=0,
    recent_received=50,
    recent_dropped={},
    delay_ms=80.0,
    seconds_since_frame=0.05,
    latency_ms={"total": (70.0, 80.0, 90.0)},
)
ADVICE = "take the train"


def test_healthy_frames_have_no_findings():
    assert frame_findings(HEALTHY, ADVICE) == []


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"recent_dropped": {"replaced_by_newer": 30}, "output_rate": 4.0}, WARN, ["10.0 Hz", "4.0 Hz", "smaller"]),
        ({"missing": 10}, WARN, ["10 of 60", ADVICE]),
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
        ({"recent_dropped": {"too_old": 5}, "details": {"too_old": "700 ms"}}, WARN, ["5 of 50", "700 ms", "max_age"]),
        ({"recent_dropped": {"failed.Oops": 1}, "details": {"failed.Oops": "no memory"}}, ERROR, ["no memory"]),
        ({"delay_ms": -2000.0}, WARN, ["2.0 s ahead of this node's clock"]),
        ({"delay_ms": 1.7e12}, WARN, ["1700000000.0 s behind", "does not stamp", "use_sim_time"]),
    ],
)
def test_a_finding_has_the_figures_and_the_fix(change, level, words):
    (finding,) = frame_findings(replace(HEALTHY, **change), ADVICE)
    assert finding.level == level
    for word in words:
        assert word in finding.text


@pytest.mark.parametrize("change", [{"recent_dropped": {"replaced_by_newer": 4}}, {"missing": 1}, {"missing": 2}])
def test_a_few_lost_frames_are_ignored(change):
    assert frame_findings(replace(HEALTHY, **change), ADVICE) == []


def test_overload_suppresses_lost_frames():
    (finding,) = frame_findings(replace(HEALTHY, missing=20, recent_dropped={"replaced_by_newer": 30}), ADVICE)
    assert finding.text.startswith("overload")


def test_no_overload_before_the_first_result():
    assert frame_findings(replace(HEALTHY, recent_dropped={"replaced_by_newer": 9}, output_rate=0.0), ADVICE) == []


def test_frames_dropped_on_purpose_are_ignored():
    assert frame_findings(replace(HEALTHY, recent_dropped={"disabled": 50, "no_listener": 50}), ADVICE) == []


def test_most_severe_first():
    report = replace(
        HEALTHY, missing=30, recent_dropped={"failed.RuntimeError": 1}, details={"failed.RuntimeError": "boom"}
    )
    assert [finding.level for finding in frame_findings(report, ADVICE)] == [ERROR, WARN]


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
