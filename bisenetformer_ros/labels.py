"""Label maps: class names, colours and the distinction of things and stuff."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.numbers import first_of
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.text_files import read_json, read_yaml


@dataclass(frozen=True)
class Label:
    """One class.

    Attributes:
        id: Value in label maps, 0..254.
        name: Name of the class.
        is_thing: Whether the class is countable.
        color: R, G, B, 0..255 each.
    """

    id: int
    name: str
    is_thing: bool
    color: tuple[int, int, int]


@dataclass(frozen=True)
class LabelMap:
    """The classes of a data set. Indexing by id and iterating give a `Label`.

    Attributes:
        name: Name of the label map.
        labels: Ordered by id, 0..K-1 without gaps.

    Raises:
        ConfigError: The labels are invalid.
    """

    name: str
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        problems = _problems(self.labels)
        if problems:
            raise ConfigError(f"label map '{self.name}': " + "; ".join(problems))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, class_id: int) -> Label:
        return self.labels[class_id]

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    @property
    def thing_ids(self) -> tuple[int, ...]:
        """Ids of the countable classes."""
        return tuple(label.id for label in self.labels if label.is_thing)

    @cached_property
    def palette(self) -> np.ndarray:
        """(256, 3) uint8 RGB per label value; black for values without a class, such as 255."""
        palette = np.zeros((256, 3), np.uint8)
        for label in self.labels:
            palette[label.id] = label.color
        return palette

    @classmethod
    def load(cls, name: str | Path) -> "LabelMap":
        """Load the label map of a YAML file, given by path or by the name of a shipped label map.

        The file lists its labels, or describes a data set (docs/datasets.md) that has them elsewhere: in a label map
        beside it, a shipped one, or the categories of a panoptic JSON file.

        Raises:
            ConfigError: The file is missing or invalid.
            DataError: The JSON file is missing or invalid.
        """
        paths: list[Path] = []
        while True:
            try:
                path = config_file("labels", str(name), ".yaml")
            except FileNotFoundError as error:
                raise ConfigError(f"label map {error}") from None
            if path in paths:
                raise ConfigError(f"{path}: labels leads back to this file")
            paths.append(path)
            content = read_yaml(path)
            if not (isinstance(content, Mapping) and isinstance(content.get("labels"), str)):
                break
            beside = path.parent / content["labels"]
            name = beside if beside.is_file() else content["labels"]
        if isinstance(content, Mapping) and "panoptic_json" in content and "labels" not in content:
            return cls._load_categories(content, path)
        return cls.from_dict(content, default_name=path.stem)

    @classmethod
    def _load_categories(cls, description: Mapping[str, Any], path: Path) -> "LabelMap":
        """Read the smallest of the JSON files; `open_dataset` checks that all have the same categories."""
        try:
            root = path.parent / Path(description.get("root", ".")).expanduser()
            files = [root / description["panoptic_json"].replace("{split}", split) for split in description["splits"]]
            present = [file for file in files if file.is_file()] or files[:1]
            smallest = min(present, key=lambda file: file.stat().st_size if file.is_file() else 0)
            return cls.from_categories(read_json(smallest)["categories"], str(description.get("name", path.stem)))
        except ConfigError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ConfigError(f"{path}: expected a data set in the COCO panoptic format ({error!r})") from error

    @classmethod
    def from_categories(cls, categories: Sequence[Mapping[str, Any]], name: str) -> "LabelMap":
        """Build from the "categories" of the COCO panoptic format, in the order of their ids.

        Raises:
            ConfigError: Categories are invalid; the message names them.
        """
        spare = cls.anonymous(len(categories))
        ordered = sorted(categories, key=lambda category: category["id"])
        entries = [{"color": spare[index].color, **entry} for index, entry in enumerate(ordered)]
        return cls(name, _labels(entries, [f"category {entry['id']}" for entry in ordered], name, "isthing"))

    @classmethod
    def from_dict(cls, content: Any, default_name: str = "labels") -> "LabelMap":
        """Build from {name, labels: [{name, is_thing, color}, …]}; ids are positions in the list.

        Raises:
            ConfigError: The content is invalid.
        """
        if not isinstance(content, Mapping) or not isinstance(content.get("labels"), list):
            raise ConfigError(
                f"label map '{default_name}': expected a mapping with a list 'labels' of "
                "{name: road, is_thing: false, color: [128, 64, 128]}"
            )
        name, entries = str(content.get("name", default_name)), content["labels"]
        return cls(name, _labels(entries, [f"label {index}" for index in range(len(entries))], name))

    @classmethod
    def anonymous(cls, num_classes: int) -> "LabelMap":
        """Build `class_0`, … with evenly spread colours, for a network without a label map."""
        hues = (np.arange(num_classes) * 0.61803398875) % 1.0  # golden ratio: neighbours differ
        colors = [_hue_to_rgb(hue) for hue in hues]
        return cls("anonymous", tuple(Label(i, f"class_{i}", False, colors[i]) for i in range(num_classes)))

    def differences(self, other: "LabelMap") -> list[str]:
        """Describe classes that differ in name, or in being things or stuff; colours may differ."""
        classes, others = ([f"{x.name} ({'thing' if x.is_thing else 'stuff'})" for x in of] for of in (self, other))
        pairs = enumerate(zip_longest(classes, others, fillvalue="missing"))
        return [f"{i} is {mine}, not {its}" for i, (mine, its) in pairs if mine != its]

    def to_dict(self) -> dict[str, Any]:
        """Invert `from_dict`, in JSON types."""
        labels = [{"name": label.name, "is_thing": label.is_thing, "color": list(label.color)} for label in self.labels]
        return {"name": self.name, "labels": labels}


def _labels(
    entries: Sequence[Any], origins: Sequence[str], name: str, thing_key: str = "is_thing"
) -> tuple[Label, ...]:
    """Convert {name, is_thing, color}; raise ConfigError that lists every problem with the entry's origin."""
    found = (_entry_problems(entry, origin, thing_key) for entry, origin in zip(entries, origins, strict=True))
    problems = [problem for of_entry in found for problem in of_entry]
    if problems:
        raise ConfigError(f"label map '{name}': " + first_of(problems))
    return tuple(
        Label(index, entry["name"], bool(entry[thing_key]), tuple(entry["color"]))
        for index, entry in enumerate(entries)
    )


def _entry_problems(entry: Any, origin: str, thing_key: str) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"{origin} is {entry!r}, expected {{name: road, is_thing: false, color: [128, 64, 128]}}"]
    checks = {
        "name": (lambda value: isinstance(value, str), "text, in quotes if YAML takes it for something else"),
        thing_key: (lambda value: value in (True, False), "true or false, without quotes"),
        "color": (_is_color, "[R, G, B], whole numbers of 0 to 255 without quotes"),
    }
    called = f"{origin} ({entry['name']})" if "name" in entry else origin
    return [
        f"{called}: {key} is {entry[key]!r}, expected {expected}" if key in entry else f"{called} has no {key}"
        for key, (holds, expected) in checks.items()
        if key not in entry or not holds(entry[key])
    ]


def _is_color(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(type(v) is int and 0 <= v <= 255 for v in value)


def _problems(labels: tuple[Label, ...]) -> list[str]:
    problems = []
    if not 1 <= len(labels) <= UNLABELED:
        problems.append(f"has {len(labels)} labels, expected 1 to {UNLABELED} (255 means unlabeled)")
    names = [label.name for label in labels]
    problems += [
        f"name '{name}' occurs {names.count(name)} times" for name in sorted(set(names)) if names.count(name) > 1
    ]
    for position, label in enumerate(labels):
        if label.id != position:
            problems.append(f"'{label.name}' has id {label.id} at position {position}")
        if len(label.color) != 3 or not all(0 <= channel <= 255 for channel in label.color):
            problems.append(f"'{label.name}' has color {list(label.color)}, expected R, G, B of 0..255")
    return problems


def _hue_to_rgb(hue: float) -> tuple[int, int, int]:
    offsets = np.array([0.0, 2 / 3, 1 / 3])
    channel = np.clip(np.abs((hue + offsets) % 1.0 * 6 - 3) - 1, 0, 1)
    red, green, blue = (64 + 191 * channel).astype(int)
    return int(red), int(green), int(blue)
