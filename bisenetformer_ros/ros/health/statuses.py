"""Builds the statuses of /diagnostics."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

from bisenetformer_ros.ros.health.findings import Finding


def make_status(node: Node, name: str, finding: Finding, values: Mapping[str, object]) -> DiagnosticStatus:
    """Build the status `NODE: name` with a finding and key-value pairs."""
    return DiagnosticStatus(
        level=bytes([finding.level]),
        name=f"{node.get_name()}: {name}",
        message=finding.text,
        hardware_id=node.get_fully_qualified_name(),
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
