"""`bisenetformer models`: list the models that can be named."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bisenetformer_ros.cli.arguments import add_json_argument, write_json
from bisenetformer_ros.model.checkpoint import read_metadata
from bisenetformer_ros.model_catalog import ADDRESS_LIMIT_MB, NOT_STATED, CatalogEntry
from bisenetformer_ros.resources import catalog, config_file, find_download, models_folder, read_download_record

DESCRIPTION = """List the models that can be named: shipped, downloaded and downloadable ones. A name works wherever a
model or initial weights are taken. Nothing is downloaded."""
EXAMPLE = """bisenetformer models
bisenetformer models --json models.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    table = Table("name", "trained on; task and shorter side; figure; licence and terms of the data", "where")
    entries = [*catalog().values(), *_from_addresses()]
    for entry in entries:
        task = f"{entry.task}, {entry.input_size} pixels" if entry.task else entry.kind
        about = (entry.data, task, entry.published or "no published figure", entry.licence)
        table.add_row(entry.name, "\n".join(about), _where(entry))
    Console().print(table)
    print(f"downloaded models: {models_folder() or 'no folder, set BISENETFORMER_MODELS'}")
    write_json(args.json, [description(entry, _path(entry)) for entry in entries])
    return 0


def describe_file(path: Path) -> CatalogEntry:
    """Describe a network that was downloaded from an address. Raises ModelError if the file is corrupt."""
    metadata, record = read_metadata(path), read_download_record(path)
    return CatalogEntry(
        path.stem,
        "network",
        architecture=metadata.architecture["name"],
        data=f"{metadata.labels.name}, {len(metadata.labels)} classes",
        num_classes=len(metadata.labels),
        task=metadata.task,
        input_size=metadata.input_size,
        published=None,
        licence=NOT_STATED,
        source=record["url"],
        url=record["url"],
        sha256=record["sha256"],
        limit_mb=ADDRESS_LIMIT_MB,
    )


def _from_addresses() -> Iterator[CatalogEntry]:
    folder = models_folder()
    for path in sorted(folder.glob("*.safetensors")) if folder else ():
        if path.stem not in catalog() and read_download_record(path):
            yield describe_file(path)


def description(entry: CatalogEntry, path: Path | None) -> dict[str, str | int | float | None]:
    """Return what the JSON files of `models` and `download` state about a model, whose file is at `path`."""
    recorded = read_download_record(path).get("sha256") if path else None
    return {
        **vars(entry),
        "sha256": entry.sha256 or recorded,
        "path": str(path) if path else None,
        "bytes": path.stat().st_size if path else None,
    }


def _where(entry: CatalogEntry) -> str:
    path = _path(entry)
    if path is None:
        return f"to download\n≤ {entry.limit_mb:g} MB"
    return f"{'downloaded' if entry.url else 'shipped'}\n{path.stat().st_size / 1e6:.1f} MB"


def _path(entry: CatalogEntry) -> Path | None:
    return find_download(entry.name) if entry.url else config_file("models", entry.name, ".safetensors")
