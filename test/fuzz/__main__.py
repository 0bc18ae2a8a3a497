"""Fuzz everything that reads what others wrote: images, labels, bags, recipes, weights.

Each target runs in a process of its own for its share of the time, guided by the coverage of the package. A crash is
any exception other than the package's own errors, a signal, more than 4 GiB of memory, or an input that takes a minute.
Exit code 1 if there is one: its input is in OUT/crashes, and `--target NAME --input FILE` repeats it. Needs atheris.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from targets import TARGETS

MOST_FAILURES = 20
"""A target that fails as often is given up."""
_STATUS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_REASON = re.compile(r"Uncaught Python exception: ===\n(.*)|ERROR: libFuzzer: (?!fuzz target exited)(.*)")


def main() -> int:
    args = _parse()
    if args.input:
        TARGETS[args.target].run(args.input.read_bytes())
        return 0
    names = [args.target] if args.target else [*TARGETS]
    results = {}
    for name in names:
        results[name] = result = _fuzz(name, max(1, args.duration // len(names)), args.out)
        print(f"{name:16} {result['executions']:>9} executions, failures: {result['failures']}", flush=True)
        for line in (*result["reasons"], *result["inputs"]):
            print(f"  {line}", flush=True)
    (args.out / "fuzz.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(any(result["failures"] for result in results.values()))


def _fuzz(name: str, seconds: int, out: Path) -> dict:
    corpus, crashes = out / "corpus" / name, out / "crashes" / name
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed{number}").write_bytes(seed)
    known = set(crashes.iterdir())
    limits = ["-rss_limit_mb=4096", "-timeout=60", "-max_len=65536", "-print_final_stats=1", "-verbosity=0"]
    command = [sys.executable, str(Path(__file__).with_name("one_target.py")), name, str(corpus), *limits]
    command += [f"-artifact_prefix={crashes}/"]
    log_path, end = out / f"{name}.log", time.monotonic() + seconds
    failures = 0
    with log_path.open("w", encoding="utf-8") as log:
        while failures < MOST_FAILURES and (rest := int(end - time.monotonic())) > 0:  # the first crash ends libFuzzer
            run = subprocess.run([*command, f"-max_total_time={rest}"], stdout=log, stderr=subprocess.STDOUT)
            failures += run.returncode != 0
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return {
        "executions": sum(int(number) for number in _STATUS.findall(text)),
        "failures": failures,
        "reasons": sorted({error or python for python, error in _REASON.findall(text)}),
        "inputs": sorted(str(path) for path in set(crashes.iterdir()) - known),
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python test/fuzz", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--duration", type=int, default=3600, help="seconds for all targets (default: %(default)s)")
    parser.add_argument("--target", choices=TARGETS, help="fuzz only this one")
    parser.add_argument("--input", type=Path, help="run --target once on this file")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="folder of the corpus, crashes and logs")
    args = parser.parse_args()
    if args.input and not args.target:
        parser.error("--input needs --target")
    return args


if __name__ == "__main__":
    sys.exit(main())
