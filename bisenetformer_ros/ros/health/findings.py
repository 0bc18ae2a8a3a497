"""Problems with the frames of the last seconds, for /diagnostics."""

from dataclasses import dataclass

from bisenetformer_ros.images.raw import ASSUMED, DecodingReport
from bisenetformer_ros.ros.health.statistics import WINDOW_S, FrameReport

OK, WARN, ERROR = 0, 1, 2
"""The levels of diagnostic_msgs/DiagnosticStatus, as defined by REP-107."""

FIRST_FRAME_S = 2.0
"""Grace period after activation before missing frames are reported."""
MIN_LOST_FRACTION = 0.05
MIN_REPLACED_FRACTION = 0.1
MAX_BAD_INPUTS = 3
"""Reasons for unusable images that are explained at a time; others are named."""
MIN_DELAY_MS = -1000.0
MAX_DELAY_MS = 10_000.0


@dataclass(frozen=True)
class Finding:
    """A state or a problem and, above OK, how to fix it."""

    level: int  # OK, WARN or ERROR
    text: str


def frames_overdue(report: FrameReport, seconds_open: float) -> bool:
    """Return whether a subscription that was opened `seconds_open` ago should have received a frame by now."""
    if report.seconds_since_frame is None or report.seconds_since_frame > seconds_open:
        return seconds_open > FIRST_FRAME_S
    return report.seconds_since_frame > WINDOW_S


def frame_findings(
    report: FrameReport, transport_loss: str, clock_advice: str, oversubscription: str = ""
) -> list[Finding]:
    """Return every problem with the frames that arrive, most severe first.

    Args:
        report: Statistics of one camera.
        transport_loss: Why transport loses frames, and how to fix it; empty if nothing is known. Then losses count as
            part of an overload, if there is one: a busy machine loses frames in many places. Not empty for a camera of
            unknown rate, it is reported without a count.
        clock_advice: Why stamps differ from the node's clock, and how to fix it; empty if that is reported elsewhere.
        oversubscription: How far the processes of the machine exceed its cores; empty if they do not.
    """
    overload = _overload(report, oversubscription)
    findings = [
        *_failures(report),
        *_bad_input(report),
        *_too_old(report, clock_advice),
        *(_lost(report, transport_loss) if transport_loss or not overload else []),
        *overload,
        *(_clock(report, clock_advice) if clock_advice else []),
    ]
    return sorted(findings, key=lambda finding: -finding.level)


def decoding_findings(decoding: DecodingReport, bit_depth: int) -> list[Finding]:
    """Return what the images of a camera leave open, and whether the parameter `bit_depth` fits them."""
    findings = [Finding(WARN, assumption(encoding)) for encoding in ASSUMED if encoding in decoding.assumed]
    fitting, bits = decoding.fitting_bit_depth, decoding.used_bits
    if fitting is not None and fitting < bit_depth:
        text = f"no 16-bit sample has used more than {bits} bits, so images are dark: set `bit_depth:={fitting}`"
        findings.append(Finding(WARN, f"{text} if the camera has {fitting} significant bits"))
    elif fitting is not None and fitting > bit_depth:
        text = f"16-bit samples use {bits} bits, those of more than {bit_depth} are clipped: set `bit_depth:={fitting}`"
        findings.append(Finding(WARN, text))
    return findings


def assumption(encoding: str) -> str:
    """Return what is assumed for one of ASSUMED, and how to make it certain."""
    assumed = ASSUMED[encoding]
    return f"encoding {encoding} states no colours, taken as {assumed}: have the camera publish {assumed} if it is"


def _failures(report: FrameReport) -> list[Finding]:
    return [
        Finding(ERROR, f"segmentation failed {count} times in {WINDOW_S:g} s: {report.details[reason]}")
        for reason, count in report.recent_dropped.items()
        if reason.startswith("failed.")
    ]


def _bad_input(report: FrameReport) -> list[Finding]:
    """Report the most frequent reasons; a camera that sends anything may have all of them."""
    level = WARN if report.output_rate else ERROR
    reasons = {reason: count for reason, count in report.recent_dropped.items() if reason.startswith("bad_input.")}
    ranked = sorted(reasons, key=lambda reason: -reasons[reason])
    findings = [
        Finding(level, f"{reasons[reason]} unusable images in {WINDOW_S:g} s: {report.details[reason]}")
        for reason in ranked[:MAX_BAD_INPUTS]
    ]
    if others := ranked[MAX_BAD_INPUTS:]:
        count = sum(reasons[reason] for reason in others)
        findings.append(Finding(level, f"{count} more for other reasons: {', '.join(others)}"))
    return findings


def _too_old(report: FrameReport, clock_advice: str) -> list[Finding]:
    count = report.recent_dropped.get("too_old", 0)
    if not count:
        return []
    return [
        Finding(
            WARN if report.output_rate else ERROR,
            f"{count} of {report.recent_received} frames in {WINDOW_S:g} s were too old: {report.details['too_old']}; "
            "raise max_age_ms, or synchronize the camera's clock with this machine's"
            + (f"; {clock_advice}" if clock_advice else ""),
        )
    ]


def _lost(report: FrameReport, transport_loss: str) -> list[Finding]:
    if transport_loss and not report.camera_rate:
        return [Finding(WARN, f"frames are lost in transport: {_rates(report)}; {transport_loss}")]
    sent = report.recent_received + report.missing
    if report.missing < 2 or report.missing < MIN_LOST_FRACTION * sent:
        return []
    return [
        Finding(
            WARN,
            f"about {report.missing} of {sent} frames in {WINDOW_S:g} s were lost in transport (gaps in their stamps): "
            f"{_rates(report)}; {transport_loss or 'the camera, the network or this machine cannot keep up'}",
        )
    ]


def _rates(report: FrameReport) -> str:
    """The camera's rate by its stamps, if known, and the rate at which images arrive, if it is lower."""
    if not report.camera_rate:
        return f"images arrive at {report.arrival_rate:.1f} Hz"
    published = f"the camera publishes at {report.camera_rate:.1f} Hz"
    return f"{published}, images arrive at {report.arrival_rate:.1f} Hz" if report.missing else published


def _overload(report: FrameReport, oversubscription: str) -> list[Finding]:
    count = sum(report.recent_dropped.get(reason, 0) for reason in ("replaced_by_newer", "replaced_by_newer_result"))
    if count < 2 or count < MIN_REPLACED_FRACTION * report.recent_received or not report.output_rate:
        return []
    competition = f"{oversubscription}: stop other processes, or " if oversubscription else ""
    return [
        Finding(
            WARN,
            f"overload: {_rates(report)}, the node segments at {report.output_rate:.1f} Hz; "
            f"it always takes the newest frame, so latency stays bounded; {competition}lower the camera's rate "
            "or resolution, or use a smaller model or a faster device",
        )
    ]


def _clock(report: FrameReport, clock_advice: str) -> list[Finding]:
    if report.delay_ms is None or not report.latency_ms or MIN_DELAY_MS < report.delay_ms < MAX_DELAY_MS:
        return []
    where = "behind" if report.delay_ms > 0 else "ahead of"
    text = f"the stamps are {abs(report.delay_ms) / 1000:.1f} s {where} this node's clock: {clock_advice}"
    return [Finding(WARN, text)]
