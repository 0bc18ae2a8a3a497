"""What is worth telling about the frames of the last seconds: the judgement behind /diagnostics."""

from dataclasses import dataclass

from bisenetformer_ros.ros.health.statistics import WINDOW_S, FrameReport

OK, WARN, ERROR = 0, 1, 2
"""The levels of diagnostic_msgs/DiagnosticStatus, with REP-107's meaning."""

FIRST_FRAME_S = 2.0
"""So long after activation nothing is said about frames that do not come."""
MISSING_SHARE = 0.05
REPLACED_SHARE = 0.1
CLOCK_AHEAD_MS = -1000.0
CLOCK_BEHIND_MS = 10_000.0


@dataclass(frozen=True)
class Finding:
    """level: OK, WARN or ERROR. text: what is the case and, unless it is well, what to do."""

    level: int
    text: str


def silent(report: FrameReport, seconds_active: float) -> bool:
    """Whether frames are overdue in an active node."""
    if report.seconds_since_frame is None or report.seconds_since_frame > seconds_active:
        return seconds_active > FIRST_FRAME_S
    return report.seconds_since_frame > WINDOW_S


def judge_frames(report: FrameReport, transport_advice: str) -> list[Finding]:
    """Everything that is wrong with the frames that do arrive, the worst first.

    transport_advice: what to do if some are lost on the way. Under overload that is not asked: a machine that is busy
    loses frames in many places.
    """
    findings = [
        *_judge_failures(report),
        *_judge_bad_input(report),
        *_judge_age(report),
        *(_judge_overload(report) or _judge_missing(report, transport_advice)),
        *_judge_clock(report),
    ]
    return sorted(findings, key=lambda finding: -finding.level)


def _judge_failures(report: FrameReport) -> list[Finding]:
    return [
        Finding(ERROR, f"segmenting failed, {count} times in {WINDOW_S:g} s: {report.details[reason]}")
        for reason, count in report.recent_dropped.items()
        if reason.startswith("failed.")
    ]


def _judge_bad_input(report: FrameReport) -> list[Finding]:
    level = WARN if report.output_rate else ERROR
    return [
        Finding(level, f"unusable images, {count} in {WINDOW_S:g} s: {report.details[reason]}")
        for reason, count in report.recent_dropped.items()
        if reason.startswith("bad_input.")
    ]


def _judge_age(report: FrameReport) -> list[Finding]:
    count = report.recent_dropped.get("too_old", 0)
    if not count:
        return []
    return [
        Finding(
            WARN if report.output_rate else ERROR,
            f"{count} of {report.recent_received} frames in {WINDOW_S:g} s were too old: {report.details['too_old']}; "
            "raise max_age_ms, or compare the camera's clock with this machine's",
        )
    ]


def _judge_missing(report: FrameReport, transport_advice: str) -> list[Finding]:
    sent = report.recent_received + report.missing
    if report.missing < 2 or report.missing < MISSING_SHARE * sent:
        return []
    text = f"about {report.missing} of {sent} frames in {WINDOW_S:g} s were lost on the way (gaps in their stamps)"
    return [Finding(WARN, f"{text}: {transport_advice}")]


def _judge_overload(report: FrameReport) -> list[Finding]:
    count = report.recent_dropped.get("replaced_by_newer", 0)
    if count < 2 or count < REPLACED_SHARE * report.recent_received or not report.output_rate:
        return []
    return [
        Finding(
            WARN,
            f"overload: the camera sends {report.arrival_rate:.1f} Hz, {report.output_rate:.1f} Hz can be segmented; "
            "the newest frame is always taken, so the delay stays bounded; lower the camera's rate or size, or take a "
            "smaller model or a faster device",
        )
    ]


def _judge_clock(report: FrameReport) -> list[Finding]:
    if report.delay_ms is None or not report.latency_ms or CLOCK_AHEAD_MS < report.delay_ms < CLOCK_BEHIND_MS:
        return []
    where = "behind" if report.delay_ms > 0 else "ahead of"
    return [
        Finding(
            WARN,
            f"the stamps are {abs(report.delay_ms) / 1000:.1f} s {where} this node's clock: the camera does not stamp "
            "its images, or the clocks of two machines differ, or a recording is played (play it with --clock and set "
            "use_sim_time)",
        )
    ]
