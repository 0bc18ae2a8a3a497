"""The parameters of the node, declared once: name, default, description, values, and when each may be set.

Does not import ROS, so that `--help` and the documentation can be generated without it.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bisenetformer_ros.images.raw import BIT_DEPTHS
from bisenetformer_ros.inference.engines.capabilities import ENGINES, PRECISIONS, TASK_CHOICES
from bisenetformer_ros.resources import SHIPPED_MODEL

RELIABILITIES = ("auto", "reliable", "best_effort")
IMAGE_TRANSPORTS = ("raw", "compressed")
JPEG_DECODERS = ("opencv", "nvjpeg")


class Changes(Enum):
    """When a parameter may be set; the value is the text for users."""

    LIVE = "at any time"
    UNCONFIGURED = "while unconfigured"
    AT_START = "at start"


@dataclass(frozen=True)
class Setting:
    """A parameter; its type is that of `default`, where a tuple stands for an array of names.

    Attributes:
        name: Name of the parameter.
        default: Default value.
        description: For `ros2 param describe`, `--help` and the documentation.
        changes: When it may be set.
        choices: Valid values of a string or an integer; empty if all are.
        limits: Smallest and largest value of a number.
    """

    name: str
    default: str | int | float | bool | tuple[str, ...]
    description: str
    changes: Changes
    choices: tuple[str, ...] | tuple[int, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def type_name(self) -> str:
        """ROS name of the type."""
        return {str: "string", int: "integer", float: "double", bool: "bool", tuple: "string array"}[type(self.default)]

    @property
    def default_text(self) -> str:
        """The default as written on a command line."""
        if isinstance(self.default, tuple):
            return f"[{', '.join(self.default)}]"
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    @property
    def allowed(self) -> str:
        """Valid values, as text."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.limits[0]:g} to {self.limits[1]:g}" if self.limits else ""

    def problem(self, value: Any) -> str:
        """Return why a value of the right type is invalid, or an empty string. ROS checks the limits."""
        if self.choices and value not in self.choices:
            return f"{self.name}: expected one of {self.allowed}, got '{value}'"
        if isinstance(self.default, tuple):
            return _names_problem(self.name, list(value))
        return ""


def _names_problem(setting: str, names: Sequence[str]) -> str:
    wrong = [name for name in names if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)]
    if wrong:
        return f"{setting}: '{wrong[0]}' is not valid in a topic name; expected a letter, then letters, digits or _"
    if len(set(names)) < len(names):
        return f"{setting}: names must be unique, got {', '.join(names)}"
    return ""


SETTINGS = (
    Setting(
        "model",
        SHIPPED_MODEL,
        "Weights: a file, or a name that `bisenetformer models` lists.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "engine",
        "auto",
        "Inference engine; auto starts with PyTorch and switches to an engine with a file if it measures faster.",
        Changes.UNCONFIGURED,
        choices=ENGINES,
    ),
    Setting(
        "build_engine",
        False,
        "With engine auto: build a faster engine in the background, and switch to it when it is ready.",
        Changes.LIVE,
    ),
    Setting(
        "cache_dir",
        "",
        "Folder for the files of faster engines. Empty for $XDG_CACHE_HOME/bisenetformer_ros, by default "
        "~/.cache/bisenetformer_ros.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "device",
        "auto",
        "Device of the network: auto (the first GPU, else the CPU), cpu, cuda or cuda:N.",
        Changes.UNCONFIGURED,
    ),
    Setting(
        "precision",
        "auto",
        "Number format of the network; auto: fp16 on CUDA, on CPUs the fastest that agrees with fp32, measured; int8: "
        "with engine auto, PyTorch serves as with auto until an engine has a calibrated file.",
        Changes.UNCONFIGURED,
        choices=PRECISIONS,
    ),
    Setting(
        "task",
        "auto",
        "semantic: classes only, without ~/panoptic, ~/segments and ~/detections; panoptic: instances as well; auto: "
        "the task for which the weights were trained.",
        Changes.UNCONFIGURED,
        choices=TASK_CHOICES,
    ),
    Setting(
        "cameras",
        (),
        "Names of several cameras that share one engine; NAME subscribes to NAME/image_raw and publishes ~/NAME/mask "
        "etc. Empty for a single camera without a name.",
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
        "jpeg_decoder",
        "opencv",
        "Decoder of JPEGs with image_transport compressed; nvjpeg, not run on a GPU yet, requires device cuda and "
        "torchvision, and leaves to OpenCV what it cannot decode.",
        Changes.UNCONFIGURED,
        choices=JPEG_DECODERS,
    ),
    Setting(
        "bit_depth",
        16,
        "Significant bits of 16-bit images, such as mono16 and bayer_rggb16: 12 scales 0..4095 to the full range.",
        Changes.LIVE,
        choices=BIT_DEPTHS,
    ),
    Setting(
        "score_threshold",
        0.8,
        "Panoptic only: drop segments with a lower score. Lower values find more segments, some of them wrong.",
        Changes.LIVE,
        limits=(0.0, 1.0),
    ),
    Setting(
        "overlap_threshold",
        0.8,
        "Panoptic only: drop a segment if less than this fraction of its mask stays visible.",
        Changes.LIVE,
        limits=(0.0, 1.0),
    ),
    Setting(
        "tracking",
        True,
        "Panoptic only: things keep their ids from frame to frame, from 1 on; stuff keeps one id per class. false: the "
        "ids of each frame are its own.",
        Changes.LIVE,
    ),
    Setting(
        "max_missing",
        10,
        "Tracking: number of frames for which a thing that is not seen is remembered.",
        Changes.LIVE,
        limits=(0, 1000),
    ),
    Setting(
        "overlay_alpha",
        0.5,
        "Weight of the class colors in ~/overlay: 0 shows only the camera image, 1 only the colors.",
        Changes.LIVE,
        limits=(0.0, 1.0),
    ),
    Setting(
        "reliability",
        "auto",
        "Reliability of the image subscription; auto is reliable if every publisher is, else best effort.",
        Changes.LIVE,
        choices=RELIABILITIES,
    ),
    Setting(
        "max_age_ms",
        0.0,
        "Maximum age of a frame by its stamp; older frames are dropped. 0 disables the limit.",
        Changes.LIVE,
        limits=(0.0, 60000.0),
    ),
    Setting("enable", True, "false: drop all frames; the model stays loaded. See ~/enable.", Changes.LIVE),
    Setting(
        "autostart",
        True,
        "Configure and activate on start. Set to false if a lifecycle manager does that.",
        Changes.AT_START,
    ),
    Setting(
        "diagnostic_updater.period",
        1.0,
        "Period of /diagnostics in seconds.",
        Changes.AT_START,
        limits=(0.1, 60.0),
    ),
)


def markdown_table() -> str:
    """Format SETTINGS as the Markdown table of the documentation."""
    lines = ["| parameter | type | default | values | can be set | what it does |", "| --- " * 6 + "|"]
    for s in SETTINGS:
        cells = [f"`{s.name}`", s.type_name, f"`{s.default_text}`", s.allowed, s.changes.value, s.description]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def help_text(width: int = 100) -> str:
    """Format SETTINGS for a terminal."""
    lines = []
    for s in SETTINGS:
        values = f"; {s.allowed}" if s.allowed else ""
        lines.append(f"{s.name} ({s.type_name}, {s.default_text}{values}; {s.changes.value})")
        lines += textwrap.wrap(s.description, width, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)
