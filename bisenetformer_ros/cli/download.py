"""`bisenetformer download`: download models by name."""

import argparse
import sys
from pathlib import Path

from bisenetformer_ros.cli.arguments import add_json_argument, write_json
from bisenetformer_ros.cli.models import description
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError, ModelError
from bisenetformer_ros.models.download import download
from bisenetformer_ros.resources import catalog, find_download, find_model

DESCRIPTION = """Download models by name and convert them to weights files of this package. `bisenetformer models` lists
the names and terms. An interrupted download continues with the same command; HTTPS_PROXY names a proxy. The folder is
$BISENETFORMER_MODELS, by default ~/.local/share/bisenetformer_ros/models."""
EXAMPLE = """bisenetformer download bisenetformer-m-ade
bisenetformer download stdc2-imagenet resnet50-imagenet --json downloaded.json
bisenetformer download --all"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="model to download")
    parser.add_argument("--all", action="store_true", help="download every model that has an address")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    known = {name: entry for name, entry in catalog().items() if entry.url}
    names = list(known) if args.all else args.names
    if bool(args.names) == args.all:
        raise ConfigError("expected names of models, or --all")
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"no model to download: {', '.join(unknown)}; expected names out of {', '.join(known)}")
    failed, results = False, []
    for name in names:
        try:
            present = find_download(name) is not None
            path = find_model(name) if present else _download(name)
        except ModelError as error:
            print(f"bisenetformer download: error: {name}: {error}", file=sys.stderr)
            failed = True
            continue
        print(f"{name}: {path}{' was there already' if present else ''}")
        results.append(description(known[name], path))
    write_json(args.json, results)
    return 1 if failed else 0


def _download(name: str) -> Path:
    with progress() as bar:
        task = bar.add_task(name, total=None, status="MB")

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done / 1e6, total=total and total / 1e6)

        return download(catalog()[name], show)
