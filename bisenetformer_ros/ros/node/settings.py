"""Every parameter of the node, declared once: name, default, description, values, and when it may change.

Imports nothing of ROS, so that `--help` and the documentation can be made from it anywhere.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bisenetformer_ros.inference.engines import ENGINES, TASKS
from bisenetformer_ros.resources import SHIPPED_MODEL

RELIABILITIES = ("auto", "reliable", "best_effort")
IMAGE_TRANSPORTS = ("raw", "compressed")

Value = str | float | bool | Sequence[str]


class Changes(Enum):
    """When a parameter may be set. The value is what a user reads."""

    LIVE = "at any time"
    UNCONFIGURED = "while unconfigured"
    AT_START = "at start"


@dataclass(frozen=True)
class Setting:
    """One parameter; its type is that of `default`, a tuple being an array of names.

    limits: of a number, both included. choices: of a string.
    """

    name: str
    default: str | float | bool | tuple[str, ...]
    description: str
    changes: Changes
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def type_name(self) -> str:
        """As ROS calls it."""
        return {str: "string", float: "double", bool: "bool", tuple: "string array"}[type(self.default)]

    @property
    def default_text(self) -> str:
        """As one writes it on a command line."""
        if isinstance(self.default, tuple):
            return f"[{', '.join(self.default)}]"
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    @property
    def allowed(self) -> str:
        """The values it takes, for people."""
        if self.choices:
            return ", ".join(self.choices)
        return f"{self.limits[0]:g} to {self.limits[1]:g}" if self.limits else ""

    def problem(self, value: Value) -> str:
        """What is wrong with a value of the right type, or nothing. Limits are left to ROS, which knows them."""
        if self.choices and value not in self.choices:
            return f"{self.name}: expected one of {self.allowed}, got '{value}'"
        if isinstance(self.default, tuple):
            return _problem_of_names(self.name, list(value))
        return ""


def _problem_of_names(setting: str, names: Sequence[str]) -> str:
    wrong = [name for name in names if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)]
    if wrong:
        return f"{setting}: '{wrong[0]}' cannot be a part of a topic's name; expected a letter, then letters, digits, _"
    if len(set(names)) < len(names):
        return f"{setting}: a name may stand there once only, got {', '.join(names)}"
    return ""


SETTINGS = (
    Setting(
        "model",
        SHIPPED_MODEL,
        "Weights: a file, or the name of a model that ships with the package.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "engine",
        "auto",
        "What runs the network; auto begins with PyTorch and changes to a faster engine whose files are there.",
        Changes.UNCONFIGURED,
        choices=ENGINES,
    ),
    Setting(
        "build_engine",
        False,
        "With engine auto: makes the files of a faster engine in the background, and changes to it when it is ready.",
        Changes.LIVE,
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
        "cameras",
        (),
        "Names of several cameras on one engine; each has its topics under its name: NAME/image_raw, ~/NAME/mask. "
        "Empty for one camera without a name.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "image_transport",
        "raw",
        "raw: image_raw, sensor_msgs/Image; compressed: image_raw/compressed, sensor_msgs/CompressedImage (JPEG, PNG).",
        Changes.UNCONFIGURED,
        choices=IMAGE_TRANSPORTS,
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


def markdown_table() -> str:
    """SETTINGS as a Markdown table, the one in the documentation."""
    lines = ["| parameter | type | default | values | can be set | what it does |", "| --- " * 6 + "|"]
    for s in SETTINGS:
        cells = [f"`{s.name}`", s.type_name, f"`{s.default_text}`", s.allowed, s.changes.value, s.description]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def help_text(width: int = 100) -> str:
    """SETTINGS for a terminal."""
    lines = []
    for s in SETTINGS:
        values = f"; {s.allowed}" if s.allowed else ""
        lines.append(f"{s.name} ({s.type_name}, {s.default_text}{values}; {s.changes.value})")
        lines += textwrap.wrap(s.description, width, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)
