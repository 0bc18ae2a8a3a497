"""Soak test: two cameras at twice the rate that this machine can serve, with bad frames among the good ones.

The rate is measured first, under overload. Writes the curve soak.png and the figures soak.json. Exit code 1 if a frame
is unaccounted for, a mask is too old, or memory, threads or files grow; 2 if the run cannot be finished.
"""

import argparse
import json
import sys
from pathlib import Path

from curve import draw
from rich.console import Console
from soak_run import CAMERAS, HEIGHT, WIDTH, soak

from bisenetformer_ros.errors import BiSeNetFormerError

EXAMPLE = "examples: make soak DURATION=150\n          python test/soak --duration 1200 --picture docs/images/soak.png"


def main() -> int:
    args = _parse()
    args.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    try:
        checks, samples, rate = soak(args.model, args.duration, args.out, console)
    except BiSeNetFormerError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    picture = args.picture or args.out / "soak.png"
    load = f"{len(CAMERAS)} cameras of {WIDTH}x{HEIGHT} at {rate:.1f} Hz each, twice the measured capacity"
    draw(picture, samples, f"{load}, {args.duration / 60:g} minutes")
    report = {"rate_hz": rate, "checks": [vars(check) for check in checks], "samples": samples}
    (args.out / "soak.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    console.print(f"{load}, for {args.duration:g} s", style="bold", highlight=False)
    for check in checks:
        console.print(f"[{'green]passed' if check.passed else 'red]FAILED'}[/] {check.name}", highlight=False)
        console.print(f"       {check.figures}", highlight=False, soft_wrap=True)
    console.print(
        f"curve: {picture}; figures of every second: {args.out / 'soak.json'}", highlight=False, soft_wrap=True
    )
    return 0 if all(check.passed for check in checks) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="soak", description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--duration", type=float, default=1200.0, help="duration in seconds (default: %(default)s)")
    parser.add_argument(
        "--model", default="bisenetformer-nano-camvid", help="weights of the model (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="output folder (default: %(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="file of the curve (default: soak.png in --out)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
