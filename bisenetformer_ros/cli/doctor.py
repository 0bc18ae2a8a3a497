"""`bisenetformer doctor`: why a running node gives no output."""

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bisenetformer_ros.cli.ros_needed import ros_needed

if TYPE_CHECKING:
    from bisenetformer_ros.ros.health.doctor import Diagnosis

DESCRIPTION = (
    "Look at the segmentation nodes of the running ROS 2 graph for a few seconds and say in plain words what is wrong "
    "and what to do: no camera, wrong topic, QoS, type or encoding, frames that get lost, engine, clock. "
    "Exit code 0 if all is well, 1 if not."
)
EXAMPLE = "bisenetformer doctor\nbisenetformer doctor --node /robot/bisenetformer --json report.json"

LEVELS = ("OK", "WARN", "ERROR")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", default="", help="full name of one node (default: all segmentation nodes)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="how long each node is looked at (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings to FILE as well")


def run(args: argparse.Namespace) -> int:
    diagnoses = _diagnose(args.node, args.seconds)
    healthy = all(diagnosis.level == 0 for found in diagnoses.values() for diagnosis in found)
    for node, found in diagnoses.items():
        print(_text(node, found))
    if args.json:
        nodes = {node: [asdict(diagnosis) for diagnosis in found] for node, found in diagnoses.items()}
        args.json.write_text(json.dumps({"healthy": healthy, "nodes": nodes}, indent=2) + "\n", encoding="utf-8")
    return 0 if healthy else 1


def _diagnose(wanted: str, seconds: float) -> "Mapping[str, Sequence[Diagnosis]]":
    """Node → what is to be said about it."""
    with ros_needed():
        from bisenetformer_ros.ros.health.doctor import diagnose
    return diagnose(wanted, seconds)


def _text(node: str, diagnoses: "Sequence[Diagnosis]") -> str:
    lines = [node]
    for diagnosis in diagnoses:
        head = f"  {LEVELS[diagnosis.level]:<5} {diagnosis.subject}: "
        lines += textwrap.wrap(head + diagnosis.text, 100, subsequent_indent=" " * 8, break_on_hyphens=False)
    return "\n".join(lines)
