"""`bisenetformer train --check-data`: read all data of a recipe once and list every problem."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.data.catalog import arguments_of, find_dataset, require_labels
from bisenetformer_ros.data.check import Findings, check, find_warnings
from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted, percent
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.training.config import TrainingConfig


def check_data(config: TrainingConfig, root: Path | None) -> int:
    """Print problems, what the data sets of a recipe contain, and warnings.

    Args:
        config: The recipe.
        root: Of data sets on disk that do not name their own.

    Returns:
        The exit code: 0, or 1 if there are problems.

    Raises:
        ConfigError: A source is invalid.
    """
    labels = LabelMap.load(config.labels)
    sources = [arguments_of(source, root, "train") for source in config.sources]
    if config.validation is not None:
        sources.append(arguments_of(config.validation, root, "val"))
    datasets, problems = _find(sources, labels)
    with progress() as bar:
        task = bar.add_task("checking", total=sum(len(dataset) for dataset in datasets))
        findings = check(datasets, lambda: bar.advance(task))
    problems += findings.problems
    for problem in problems:
        print(problem)
    console = Console()
    console.print(_table(findings, labels))
    console.print(_summary(findings, datasets))
    for warning in find_warnings(findings, labels):
        print(f"warning: {warning}")
    console.print(counted(len(problems), "problem") if problems else "no problems")
    return 1 if problems else 0


def _find(sources: Sequence[Mapping[str, Any]], labels: LabelMap) -> tuple[list[LabeledDataset], list[str]]:
    datasets, problems = [], []
    for source in sources:
        try:
            dataset = find_dataset(**source)
        except DataError as error:
            problems.append(f"data set {source['kind']}: {error}")
            continue
        try:
            require_labels(dataset, source["kind"], labels)
            datasets.append(dataset)
        except ConfigError as error:
            problems.append(str(error))
    return datasets, problems


def _table(findings: Findings, labels: LabelMap) -> Table:
    table = Table("class")
    for column in ("% of pixels", "images", "instances", "crowds"):
        table.add_column(column, justify="right")
    num_labeled = max(1, findings.pixels[:UNLABELED].sum())
    for label in labels:
        share = percent(findings.pixels[label.id] / num_labeled)
        counts = (findings.instances[label.id], findings.crowds[label.id]) if label.is_thing else ("", "")
        table.add_row(label.name, share, *map(str, (findings.images[label.id], *counts)))
    return table


def _summary(findings: Findings, datasets: Sequence[LabeledDataset]) -> str:
    sizes = [f"{count} of {size}" for size, count in findings.sizes.most_common(3)]
    rest = len(findings.sizes) - len(sizes)
    ignored = findings.pixels[UNLABELED] / max(1, findings.pixels.sum())
    text = f"{counted(findings.num_images, 'image')}: {', '.join(sizes)}{f' and {rest} more sizes' * (rest > 0)}; "
    text += f"{percent(ignored)} % of the pixels are ignored"
    if not all(dataset.has_instances for dataset in datasets):
        text += "\nwhere instances are not annotated, connected components stand in for them"
    return text
