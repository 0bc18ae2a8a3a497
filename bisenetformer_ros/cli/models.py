"""`bisenetformer models`: list the models that can be named."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bisenetformer_ros.cli.arguments import add_json_argument, write_json
from bisenetformer_ros.model_catalog import CatalogEntry
from bisenetformer_ros.resources import catalog, config_file, find_download, models_folder, read_download_record

DESCRIPTION = """List the models that can be named: shipped, downloaded and downloadable ones. A name works wherever a
model or initial weights are taken. Nothing is downloaded."""
EXAMPLE = """bisenetformer models
bisenetformer models --json models.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    table = Table("name", "trained on; task and shorter side; figure; licence and terms of the data", "where")
    for entry in catalog().values():
        task = f"{entry.task}, {entry.input_size} pixels" if entry.task else entry.kind
        about = (entry.data, task, entry.published or "no published figure", entry.licence)
        table.add_row(entry.name, "\n".join(about), _where(entry))
    Console().print(table)
    print(f"downloaded models: {models_folder() or 'no folder, set BISENETFORMER_MODELS'}")
    write_json(args.json, [description(entry, _path(entry)) for entry in catalog().values()])
    return 0


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
