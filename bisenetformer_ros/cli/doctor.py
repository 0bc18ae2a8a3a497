"""`bisenetformer doctor`: find out why a running node has no output."""

import argparse
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from bisenetformer_ros.cli.arguments import add_json_argument, write_json

if TYPE_CHECKING:
    from bisenetformer_ros.ros.health.doctor import Diagnosis

DESCRIPTION = (
    "Observe the segmentation nodes of the running ROS 2 graph for a few seconds. Report each problem and how to fix "
    "it: missing camera, wrong topic, QoS, type or encoding, lost frames, engine, clock. "
    "Exit code 1 if there is a problem."
)
EXAMPLE = "bisenetformer doctor\nbisenetformer doctor --node /robot/bisenetformer --json report.json"

LEVELS = ("OK", "WARN", "ERROR")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", default="", help="full name of the node to check (default: all segmentation nodes)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="observation time per node, seconds (default: %(default)s)"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    from bisenetformer_ros.ros.health.doctor import diagnose

    diagnoses = diagnose(args.node, args.seconds)
    healthy = all(diagnosis.level == 0 for found in diagnoses.values() for diagnosis in found)
    for node, found in diagnoses.items():
        print(_text(node, found))
    nodes = {node: [asdict(diagnosis) for diagnosis in found] for node, found in diagnoses.items()}
    write_json(args.json, {"healthy": healthy, "nodes": nodes})
    return 0 if healthy else 1


def _text(node: str, diagnoses: "Sequence[Diagnosis]") -> str:
    lines = [node]
    for diagnosis in diagnoses:
        head = f"  {LEVELS[diagnosis.level]:<5} {diagnosis.subject}: "
        lines += textwrap.wrap(head + diagnosis.text, 100, subsequent_indent=" " * 8, break_on_hyphens=False)
    return "\n".join(lines)
