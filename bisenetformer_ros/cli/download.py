"""`bisenetformer download`: download models by name or address."""

import argparse
import sys
from pathlib import Path

from bisenetformer_ros.cli.arguments import add_json_argument, write_json
from bisenetformer_ros.cli.models import describe_file, description
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError, ModelError
from bisenetformer_ros.model_catalog import CatalogEntry, entry_of_address
from bisenetformer_ros.models.download import download
from bisenetformer_ros.resources import catalog, find_download, find_model, read_download_record

DESCRIPTION = """Download models by name or address and convert them to weights files of this package. `bisenetformer
models` lists the names and terms; a network from an address is named like its file. An interrupted download continues
with the same command; HTTPS_PROXY names a proxy. The folder is $BISENETFORMER_MODELS, by default
~/.local/share/bisenetformer_ros/models."""
EXAMPLE = """bisenetformer download bisenetformer-m-ade
bisenetformer download stdc2-imagenet resnet50-imagenet --json downloaded.json
bisenetformer download https://example.org/warehouse.safetensors --sha256 9f86d081884c7d65…
bisenetformer download --all"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="NAME|URL", help="model to download")
    parser.add_argument("--sha256", metavar="HEX", help="hash that the file of the one address must have")
    parser.add_argument("--all", action="store_true", help="download every model that has an address")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    failed, results = False, []
    for entry in _chosen(args):
        try:
            path, present = _fetched(entry)
            described = entry if entry.architecture else describe_file(path)
        except ModelError as error:
            print(f"bisenetformer download: error: {entry.name}: {error}", file=sys.stderr)
            failed = True
            continue
        print(f"{entry.name}: {path}{' was there already' if present else ''}")
        results.append(description(described, path))
    write_json(args.json, results)
    return 1 if failed else 0


def _chosen(args: argparse.Namespace) -> list[CatalogEntry]:
    known = {name: entry for name, entry in catalog().items() if entry.url}
    if bool(args.models) == args.all:
        raise ConfigError("expected names of models, addresses, or --all")
    if args.sha256 and not (len(args.models) == 1 and "://" in args.models[0]):
        raise ConfigError("--sha256 belongs to one address; the catalogue has the hashes of its own models")
    if unknown := [model for model in args.models if model not in known and "://" not in model]:
        raise ConfigError(f"no model to download: {', '.join(unknown)}; expected names out of {', '.join(known)}")
    entries = [known.get(model) or entry_of_address(model, args.sha256) for model in args.models]
    if taken := [entry.name for entry in entries if entry.name in catalog() and entry.architecture is None]:
        raise ConfigError(f"{', '.join(taken)} is a name of the catalogue: rename the file at the address")
    return list(known.values()) if args.all else entries


def _fetched(entry: CatalogEntry) -> tuple[Path, bool]:
    """Return the weights, and whether they were there already."""
    path = find_download(entry.name)
    if path is None:
        return _download(entry), False
    if entry.architecture is None:
        _require_source(entry, path)
    return find_model(entry.name), True


def _require_source(entry: CatalogEntry, path: Path) -> None:
    record = read_download_record(path)
    if record.get("url") != entry.url:
        raise ModelError(f"{path} came from {record.get('url')}: delete it first, or rename the file at the address")
    if entry.sha256 not in (None, record["sha256"]):
        raise ModelError(f"{path}: expected a file of SHA-256 {entry.sha256}, got one of {record['sha256']}: delete it")


def _download(entry: CatalogEntry) -> Path:
    with progress() as bar:
        task = bar.add_task(entry.name, total=None, status="MB")

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done / 1e6, total=total and total / 1e6)

        return download(entry, show)
