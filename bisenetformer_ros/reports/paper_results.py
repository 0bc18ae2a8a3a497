"""Measurements to hold against the paper: files of `evaluate --json` and `benchmark --json`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.inference.agreement import MIN_LABELS
from bisenetformer_ros.reports.paper import PaperTable, all_paper_tables
from bisenetformer_ros.text_files import read_json

SPLIT = "val"
"""Of the data sets that the paper measures on."""


@dataclass(frozen=True)
class Measurement:
    """What a file says about one network.

    Attributes:
        file: Path below the folder of results.
        architecture: Keywords of `build_model`, num_classes among them.
        dataset: Name of the data set in the catalog; "" for a benchmark, which has none.
        size: (height, width) of the frames; None for an evaluation.
        figures: Name of `paper.HEADERS` → figure; quality in percent, FPS of whole frames.
        setting: How it was measured.
        weights: Precision in which the weights file stores the parameters; "" for a benchmark.
        num_images: Number of images; 0 for a benchmark.
        is_augmented: Whether it averages over sizes and mirror images, which the paper does not.
        warning: Why the figures may mislead; may be empty.
    """

    file: str
    architecture: Mapping[str, Any]
    task: str
    figures: Mapping[str, float]
    setting: str
    dataset: str = ""
    size: tuple[int, int] | None = None
    weights: str = ""
    num_images: int = 0
    is_augmented: bool = False
    warning: str = ""

    def tables(self) -> tuple[PaperTable, ...]:
        """Return the tables for the same task, and the same data set, or classes and size of the frames."""
        return tuple(table for table in all_paper_tables() if table.task == self.task and self._is_of(table))

    def _is_of(self, table: PaperTable) -> bool:
        if self.dataset:
            return self.dataset == table.dataset
        return (self.architecture["num_classes"], self.size) == (table.num_classes, table.size)


def read_results(folder: Path) -> tuple[tuple[Measurement, ...], dict[str, str]]:
    """Read every .json file in a folder and its subfolders.

    Returns:
        What has a row in the paper, and for each other file, or part of a file, the reason why it has none.

    Raises:
        ConfigError: There is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(
            "--results: expected a folder with files of `evaluate --json` or `benchmark --json`, got "
            f"{folder}, which is {'a file' if folder.exists() else 'missing'}"
        )
    matched, unmatched = [], {}
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).as_posix()
        try:
            measurements = list(_measurements(read_json(path), name))
        except DataError as error:
            unmatched[name] = str(error)
            continue
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            unmatched[name] = f"a result of `evaluate` or `benchmark`, but damaged: {type(error).__name__} {error}"
            continue
        for measurement in measurements:
            if reason := _reason(measurement):
                size = "" if measurement.size is None else " at {}x{}".format(*measurement.size)
                unmatched[name + size] = reason
            else:
                matched.append(measurement)
    return tuple(matched), unmatched


def _measurements(content: Any, name: str) -> Iterator[Measurement]:
    is_evaluation = isinstance(content, dict) and {"miou", "num_images", "task"} <= content.keys()
    if not is_evaluation and not (isinstance(content, dict) and {"sizes", "ceilings", "task"} <= content.keys()):
        raise DataError("neither a result of `evaluate --json` nor one of `benchmark --json`")
    if "architecture" not in content:
        raise DataError("names no architecture, since an older version wrote it; run the command again")
    if not {"name", "num_classes"} <= content["architecture"].keys():
        raise DataError(f"expected name and num_classes in its architecture, got {content['architecture']}")
    if is_evaluation:
        yield _evaluation(content, name)
        return
    for size in content["sizes"]:
        yield _benchmark(content, size, name)


def _evaluation(content: Mapping[str, Any], name: str) -> Measurement:
    dataset, task = content["dataset"], content["task"]
    is_in_paper = dataset in {table.dataset for table in all_paper_tables()}
    if is_in_paper and content["data"] != f"{dataset}, {SPLIT}":
        raise DataError(f"measured on '{content['data']}'; the paper's figures are of the split '{SPLIT}'")
    shares = {"miou": content["miou"]} if task == "semantic" else _panoptic_shares(content)
    figures = {key: 100 * share for key, share in shares.items() if share is not None}
    p50_ms = content["frame_ms"].get("p50_ms")
    if p50_ms:
        figures["fps"] = 1000 / p50_ms
    return Measurement(
        name,
        content["architecture"],
        task,
        figures,
        content["engine"],
        dataset,
        weights=content["weights_precision"],
        num_images=content["num_images"],
        is_augmented="test-time augmentation" in content,
        warning=content["task_warning"],
    )


def _panoptic_shares(content: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        "pq": content["All"]["pq"],
        "pq_things": content["Things"]["pq"],
        "pq_stuff": content["Stuff"]["pq"],
    }


def _benchmark(content: Mapping[str, Any], size: Mapping[str, Any], name: str) -> Measurement:
    """Take the fastest engine that agrees with PyTorch."""
    agreeing = [
        entry
        for entry in size["contestants"]
        if entry["precision"] in MIN_LABELS
        and entry["agreement"]["labels"] >= MIN_LABELS[entry["precision"]]
        and entry["semantic_order"] == "full"
    ]
    if not agreeing:
        raise DataError("no engine in it agrees with PyTorch in fp32")
    fastest = min(agreeing, key=lambda entry: entry["total_ms"]["median"])
    median_ms = fastest["total_ms"]["median"]
    return Measurement(
        name,
        content["architecture"],
        content["task"],
        {"fps": 1000 / median_ms, "latency_ms": median_ms},
        f"{fastest['engine']}, {fastest['precision']}; weights: {content['weights']}",
        size=tuple(size["frame_size"]),
        warning=content["task_warning"],
    )


def _reason(measurement: Measurement) -> str:
    """Return why a measurement has no row in the paper; empty if it has one."""
    tables = measurement.tables()
    if not tables:
        what = f"the data set '{measurement.dataset}'"
        if not measurement.dataset:
            what = f"{measurement.architecture['num_classes']} classes"
        return f"the paper has no table for {what} in the {measurement.task} task" + (
            " at {}x{}".format(*measurement.size) if measurement.size else ""
        )
    if any(table.find(measurement.architecture) for table in tables):
        return ""
    numbers = ", ".join(str(table.number) for table in tables)
    options = ", ".join(f"{key} {value}" for key, value in measurement.architecture.items() if key != "name")
    return f"the tables for it ({numbers}) have no row of {measurement.architecture['name']} with {options}"
