"""The parameters of the node, each declared once: name, default, description, range, and when it may change."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from bisenetformer_ros.engines import ENGINES, TASKS
from bisenetformer_ros.ros.image_input import RELIABILITIES


class Changes(Enum):
    """When a parameter may be set. The value is what a user reads."""

    LIVE = "at any time"
    UNCONFIGURED = "while unconfigured"
    AT_START = "at start"


@dataclass(frozen=True)
class Setting:
    """One parameter; its type is that of `default`. `limits` (both included) are for numbers, `choices` for strings."""

    name: str
    default: str | float | bool
    description: str
    changes: Changes
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def allowed(self) -> str:
        """The values it takes, for people."""
        if self.choices:
            return ", ".join(self.choices)
        return f"{self.limits[0]:g} to {self.limits[1]:g}" if self.limits else ""

    def descriptor(self) -> ParameterDescriptor:
        limits = [FloatingPointRange(from_value=self.limits[0], to_value=self.limits[1])] if self.limits else []
        return ParameterDescriptor(
            description=f"{self.description} Can be set {self.changes.value}.",
            additional_constraints=f"one of: {self.allowed}" if self.choices else "",
            floating_point_range=limits,
        )


SETTINGS = (
    Setting(
        "model",
        "bisenetformer-nano-camvid",
        "Weights: a file, or the name of a model that ships with the package.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "engine",
        "auto",
        "What runs the network; auto takes the one that fits the file.",
        Changes.UNCONFIGURED,
        choices=ENGINES,
    ),
    Setting(
        "device",
        "auto",
        "Where the network runs: auto (the first GPU if there is one), cpu, cuda or cuda:N.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "precision",
        "auto",
        "Number format of the network; auto takes the fastest one that the device is good at.",
        Changes.UNCONFIGURED,
        choices=("auto", "fp32", "bf16", "fp16"),
    ),
    Setting(
        "task",
        "panoptic",
        "semantic: classes only, and no ~/panoptic, ~/segments or ~/detections; panoptic: instances as well.",
        Changes.UNCONFIGURED,
        choices=TASKS,
    ),
    Setting(
        "score_threshold",
        0.8,
        "Panoptic only: a segment that the network is less sure of is left out. Lower finds more, some of it wrong.",
        Changes.LIVE,
        limits=(0.0, 1.0),
    ),
    Setting(
        "overlap_threshold",
        0.8,
        "Panoptic only: a segment of which others cover more than 1 minus this share is left out.",
        Changes.LIVE,
        limits=(0.0, 1.0),
    ),
    Setting(
        "overlay_alpha",
        0.5,
        "Weight of the colours in ~/overlay: 0 shows the camera image, 1 hides it.",
        Changes.LIVE,
        limits=(0.0, 1.0),
    ),
    Setting(
        "reliability",
        "auto",
        "Of the image subscription; auto is reliable where every publisher offers it, else best effort.",
        Changes.LIVE,
        choices=RELIABILITIES,
    ),
    Setting(
        "max_age_ms",
        0.0,
        "Frames whose stamp is older than this are dropped; 0 drops none.",
        Changes.LIVE,
        limits=(0.0, 60000.0),
    ),
    Setting("enable", True, "Off drops every frame on arrival; the model stays loaded. See ~/enable.", Changes.LIVE),
    Setting(
        "autostart",
        True,
        "The node configures and activates itself. Turn off if a lifecycle manager does that.",
        Changes.AT_START,
    ),
    Setting(
        "diagnostic_updater.period",
        1.0,
        "Seconds between two messages on /diagnostics.",
        Changes.AT_START,
        limits=(0.1, 60.0),
    ),
)


class Parameters:
    """Declares SETTINGS on a node, refuses wrong changes with a reason, and gives the current values."""

    def __init__(self, node: Node, is_configured: Callable[[], bool]) -> None:
        """Raises rclpy's ParameterException if the node was started with a wrong value."""
        self._node = node
        self._is_configured = is_configured
        self._started = False
        node.add_on_set_parameters_callback(self._check)
        for setting in SETTINGS:
            node.declare_parameter(setting.name, setting.default, setting.descriptor())
        self._started = True

    def __getitem__(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        known = {setting.name: setting for setting in SETTINGS}
        problems = [self._problem(known[p.name], p.value) for p in parameters if p.name in known]
        reason = "; ".join(problem for problem in problems if problem)
        return SetParametersResult(successful=not reason, reason=reason)

    def _problem(self, setting: Setting, value: Any) -> str:
        if setting.choices and value not in setting.choices:
            return f"{setting.name}: expected one of {setting.allowed}, got '{value}'"
        if not self._started or value == self[setting.name]:
            return ""
        if setting.changes is Changes.AT_START:
            return f"{setting.name} is read at start: restart the node with `-p {setting.name}:={value}`"
        if setting.changes is Changes.UNCONFIGURED and self._is_configured():
            name = self._node.get_fully_qualified_name()
            return (
                f"{setting.name} is read when the node is configured: run `ros2 lifecycle set {name} deactivate` and "
                "`… cleanup`, set it, then `… configure` and `… activate`"
            )
        return ""


def markdown_table() -> str:
    """SETTINGS as a Markdown table, the one in docs/node.md."""
    lines = ["| parameter | type | default | values | can be set | what it does |", "| --- " * 6 + "|"]
    for s in SETTINGS:
        default = str(s.default).lower() if isinstance(s.default, bool) else f"{s.default}"
        kind = {str: "string", float: "double", bool: "bool"}[type(s.default)]
        lines.append(f"| `{s.name}` | {kind} | `{default}` | {s.allowed} | {s.changes.value} | {s.description} |")
    return "\n".join(lines)
