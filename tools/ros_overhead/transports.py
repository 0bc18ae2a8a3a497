"""Images of a camera that arrive with Fast DDS as installed, and with this project's profile for the camera.

Camera and listener are two processes in Python. Every round runs each of them anew, by turns without and with the
profile. The table is Markdown: frames per second that arrive whole, median and range of the rounds; their share of the
published ones; and their age in the listener's callback.
"""

import argparse
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measurement import next_event

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.replay.processes import Processes, private_environment
from bisenetformer_ros.ros.shared_memory import VARIABLE, profile_for

HERE = Path(__file__).parent
SIZES = ((480, 640), (720, 1280), (1080, 1920), (1024, 2048))
RELIABILITIES = ("best_effort", "reliable")
RATE_HZ = 30.0
SILENCE_S = 60.0
"""Time without any event after which a run has failed."""
Case = tuple[tuple[int, int], str, bool]
"""(height, width), reliability, whether the camera has the profile."""


@dataclass(frozen=True)
class Run:
    """Images of one camera: how many it published in how long, and the ages in ms of those that arrived."""

    frames: int
    seconds: float
    ages_ms: list[float]


def main() -> int:
    args = _parse()
    cases = [(size, reliability, has) for size in SIZES for reliability in RELIABILITIES for has in (False, True)]
    runs: dict[Case, list[Run]] = defaultdict(list)
    try:
        for number in range(1, args.rounds + 1):
            for case in cases:
                print(f"\rround {number} of {args.rounds}: {_name(case)}    ", end="", file=sys.stderr, flush=True)
                runs[case].append(_run(case, args.frames))
    except BiSeNetFormerError as error:
        print(f"transports: {error}", file=sys.stderr)
        return 2
    print(f"\n{describe_machine()['processor']}; load of the last minute: {os.getloadavg()[0]:.1f}\n")
    print("| rgb8 | reliability | as installed | whole | age, p50 / p95 | with the profile | whole | age, p50 / p95 |")
    print("| --- | --- | --- | ---: | ---: | --- | ---: | ---: |")
    for size, reliability, has in cases[::2]:
        cells = [*_cells(runs[size, reliability, has]), *_cells(runs[size, reliability, True])]
        print(f"| {size[1]}x{size[0]} | {reliability.replace('_', ' ')} | {' | '.join(cells)} |")
    return 0


def _run(case: Case, frames: int) -> Run:
    size, reliability, has_profile = case
    with TemporaryDirectory(prefix="bisenetformer_transports_") as folder:
        environment = private_environment(Path(folder))
        for variable in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTDDS_BUILTIN_TRANSPORTS"):
            del environment[variable]
        environment["PYTHONPATH"] = f"{HERE}:{environment.get('PYTHONPATH', '')}"
        if has_profile:
            environment[VARIABLE] = str(profile_for(environment))
        ages = []
        with Processes(Path(folder), environment) as processes:
            processes.start("listener", "image_listener", [reliability])
            processes.start("camera", "camera", [*map(str, size), str(RATE_HZ), str(frames), reliability])
            while True:
                event = next_event(processes, SILENCE_S)
                if event["event"] == "finished":
                    return Run(frames, event["seconds"], ages)
                ages.append(event["age_ms"])


def _name(case: Case) -> str:
    (height, width), reliability, has_profile = case
    return f"{width}x{height}, {reliability}, {'with the profile' if has_profile else 'as installed'}"


def _cells(runs: list[Run]) -> list[str]:
    rates = [len(run.ages_ms) / run.seconds for run in runs]
    share = sum(len(run.ages_ms) for run in runs) / sum(run.frames for run in runs)
    ages = np.concatenate([run.ages_ms for run in runs])
    percentiles = " / ".join(f"{age:.0f}" for age in np.percentile(ages, (50, 95))) if len(ages) else "-"
    return [f"{np.median(rates):.1f} ({min(rates):.1f}..{max(rates):.1f})", f"{100 * share:.0f} %", percentiles]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="transports", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=90, help="frames per run, at 30 Hz (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
