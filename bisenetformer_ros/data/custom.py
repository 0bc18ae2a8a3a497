"""Custom data sets, each described by one YAML file; see docs/datasets.md."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bisenetformer_ros.data.labeled_images import LabeledImages, concatenate_splits, require_known
from bisenetformer_ros.data.panoptic_labels import in_folder, open_coco_panoptic
from bisenetformer_ros.data.png_labels import ValueTable, open_png_labels
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import first_of
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.text_files import read_text, read_yaml

IGNORE = "ignore"
"""The "no class" among the `values`."""

_PNG_KEYS = ("images", "label_images", "instance_images")
_COCO_KEYS = ("images", "panoptic_images", "panoptic_json")
_OTHER_KEYS = ("name", "root", "labels", "values", "splits")
_COLOR = re.compile("#[0-9a-fA-F]{6}")


def open_custom(path: Path, root: Path | None, splits: Sequence[str]) -> LabeledImages:
    """Open splits of a custom data set.

    Args:
        path: The YAML file.
        root: Replaces the root in the file, whose default is the file's folder.
        splits: Names of splits.

    Raises:
        ConfigError: The YAML file is invalid; the message lists every problem.
        DataError: A split does not exist, or its files are missing or invalid.
    """
    description = _load(path)
    name = str(description.get("name", path.stem))
    require_known(splits, tuple(description["splits"]), name)
    root = root or path.parent / Path(description.get("root", ".")).expanduser()
    labels = _load_labels(description["labels"], name, path.parent) if "labels" in description else None
    if labels is None or "panoptic_json" in description:
        class_of = _class_of(description["values"], labels, path) if labels and "values" in description else None
        return concatenate_splits(
            [_open_coco_split(description, root, split, labels or name, class_of) for split in splits]
        )
    table = _value_table(description, labels, path)
    return concatenate_splits([_open_png_split(description, root, split, labels, table) for split in splits])


@dataclass(frozen=True)
class LabelImageFormat:
    """What the label images of a folder hold, as a YAML file says.

    Attributes:
        labels: The classes.
        table: Meaning of the values; None for a label map, whose label images hold class ids.
        instance_folders: Folder of label images → folder of their instance images, if the file describes any.
    """

    labels: LabelMap
    table: ValueTable | None = None
    instance_folders: Mapping[Path, Path] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str | Path) -> "LabelImageFormat":
        """Load a label map or the description of a data set, given as in `LabelMap.load`.

        Raises:
            ConfigError: The file is missing or invalid, or its `values` are not those of label images.
            DataError: As `LabelMap.load`.
        """
        labels = LabelMap.load(name)
        path = config_file("labels", str(name), ".yaml")
        content = read_yaml(path)
        if "panoptic_json" in content:
            if "values" in content:
                raise ConfigError(f"{path}: values maps category ids of panoptic_json, expected values of label images")
            return cls(labels)
        if "label_images" not in content and "values" not in content:
            return cls(labels)
        problems = _problems(content) if "label_images" in content else _value_problems(content, is_coco=False)
        if problems:
            raise ConfigError(f"{path}: " + "; ".join(problems))
        return cls(labels, _value_table(content, labels, path), _instance_folders(content, path))


def _instance_folders(description: Mapping[str, Any], path: Path) -> dict[Path, Path]:
    """Return those of all splits whose files are named {name}.png, as the label images of footage are."""
    root = path.parent / Path(description.get("root", ".")).expanduser()
    patterns = [Path(description.get(key, "")) for key in ("label_images", "instance_images")]
    if any(pattern.stem != "{name}" for pattern in patterns):
        return {}
    labels, instances = (str(root / pattern.parent) for pattern in patterns)
    in_split = lambda folder, split: Path(folder.replace("{split}", split)).resolve()  # noqa: E731
    return {in_split(labels, split): in_split(instances, split) for split in description["splits"]}


def _value_table(description: Mapping[str, Any], labels: LabelMap, path: Path) -> ValueTable:
    if "values" not in description:
        return ValueTable.identity(len(labels))
    values = description["values"]
    return ValueTable(_class_of(values, labels, path), is_color=all(isinstance(value, str) for value in values))


def _open_png_split(
    description: Mapping[str, Any], root: Path, split: str, labels: LabelMap, table: ValueTable
) -> LabeledImages:
    splits = description["splits"]
    names = _read_names(root / splits[split]) if isinstance(splits, Mapping) else None
    patterns = [description[key].replace("{split}", split) for key in _PNG_KEYS if key in description]
    return open_png_labels(root, patterns, labels, table, names)


def _open_coco_split(
    description: Mapping[str, Any], root: Path, split: str, labels: LabelMap | str, class_of: Mapping[int, int] | None
) -> LabeledImages:
    images, pngs, json_file = (root / description[key].replace("{split}", split) for key in _COCO_KEYS)
    return open_coco_panoptic(json_file, pngs, in_folder(images), labels, class_of)


def _read_names(path: Path) -> list[str]:
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise DataError(f"the split file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"the split file {path} cannot be read: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not names:
        fault = f"has duplicates: {first_of(twice)}" if twice else "is empty"
        raise DataError(f"the split file {path} {fault}; expected one line per image, its {{name}}")
    return names


def _load_labels(content: list[Any] | str, name: str, folder: Path) -> LabelMap:
    """Load labels listed in the file itself, a label map or data set beside it, or a shipped label map."""
    if isinstance(content, list):
        return LabelMap.from_dict({"name": name, "labels": content})
    beside = folder / content
    return LabelMap.load(beside if beside.is_file() else content)


def _class_of(values: Mapping[int | str, str], labels: LabelMap, path: Path) -> dict[int, int]:
    class_ids = {IGNORE: UNLABELED, **{label.name: label.id for label in labels}}
    strange = sorted({str(name) for name in values.values()} - class_ids.keys())
    if strange:
        raise ConfigError(f"{path}: values contains {', '.join(strange)}; expected {', '.join(class_ids)}")
    numbers = (int(value[1:], 16) if isinstance(value, str) else value for value in values)
    return dict(zip(numbers, (class_ids[name] for name in values.values()), strict=True))


def _load(path: Path) -> Mapping[str, Any]:
    content = read_yaml(path)
    problems = _problems(content) if isinstance(content, Mapping) else ["expected a mapping of settings"]
    if problems:
        raise ConfigError(f"{path}: " + "; ".join(problems))
    return content


def _problems(content: Mapping[str, Any]) -> list[str]:
    is_coco = "panoptic_json" in content or "panoptic_images" in content
    path_keys = _COCO_KEYS if is_coco else _PNG_KEYS
    required = ("splits", *path_keys) if is_coco else ("splits", "labels", "images", "label_images")
    problems = [f"missing key '{key}'" for key in required if key not in content]
    known = (*_OTHER_KEYS, *path_keys)
    problems += [f"unknown key '{key}', expected {', '.join(known)}" for key in content if key not in known]
    problems += _path_problems({key: content[key] for key in path_keys if key in content}, is_coco)
    problems += _split_problems(content.get("splits"), is_coco)
    if not isinstance(content.get("root", ""), str):
        problems.append(f"root is {content['root']!r}, expected a path")
    if r"\x00" in repr(content):
        problems.append("contains a NUL character")
    if not isinstance(content.get("labels", []), (list, str)):
        problems.append("labels: expected a list of labels, a file or the name of a shipped label map")
    return problems + _value_problems(content, is_coco)


def _value_problems(content: Mapping[str, Any], is_coco: bool) -> list[str]:
    problems = []
    values = content.get("values", {0: IGNORE})
    if not (isinstance(values, Mapping) and values and (_are_numbers(values) or (_are_colors(values) and not is_coco))):
        given = values if isinstance(values, Mapping) else {}
        kinds = [(value, type(value).__name__) for value in given if not (type(value) is int and value >= 0)]
        wrong = first_of([f"{value!r} ({kind})" for value, kind in kinds])
        expected = 'expected {7: road, 0: ignore}, or colours as in {"#804080": road}'
        problems.append(f"values: {expected}{f', got {wrong}' if wrong else ''}")
    if "values" in content and "labels" not in content:
        problems.append("values requires labels")
    return problems


def _path_problems(paths: Mapping[str, Any], is_coco: bool) -> list[str]:
    names = 0 if is_coco else 1
    return [
        f"{key} is {path!r}, expected a path relative to root{'' if is_coco else ' with one {name}, the same in all'}"
        for key, path in paths.items()
        if not isinstance(path, str) or path.count("{name}") != names
    ]


def _split_problems(splits: Any, is_coco: bool) -> list[str]:
    if isinstance(splits, list) and splits and all(isinstance(split, str) for split in splits):
        return []
    if isinstance(splits, Mapping) and splits and not is_coco and all(isinstance(f, str) for f in splits.values()):
        return []
    lists = "" if is_coco else ", or one file of names per split, {train: train.txt, val: val.txt}"
    return [f"splits is {splits!r}, expected the values of {{split}} in the paths, [train, val]{lists}"]


def _are_numbers(values: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)


def _are_colors(values: Mapping[Any, Any]) -> bool:
    return all(isinstance(value, str) and _COLOR.fullmatch(value) for value in values)
