"""Downloads a model of the catalogue and converts it to a weights file of this package."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from bisenetformer_ros.atomic_write import write_together
from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.file_hash import sha256_of
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.checkpoint import (
    load_checkpoint,
    load_tensors,
    naming,
    read_tensors,
    serialize_backbone,
    serialize_model,
)
from bisenetformer_ros.model.imagenet import backbone_tensors
from bisenetformer_ros.model_catalog import CatalogEntry
from bisenetformer_ros.models.fetch import READ_TIMEOUT_S, HashError, Progress, fetch
from bisenetformer_ros.resources import models_folder, read_download_record


def download(entry: CatalogEntry, on_progress: Progress, read_timeout_s: float = READ_TIMEOUT_S) -> Path:
    """Download a model into `models_folder`, whole or not at all.

    The hash of the published file is compared with the catalogue's; without one, with that of the first download, which
    the record beside the weights holds.

    Args:
        entry: A model with an address.
        on_progress: As of `fetch`.
        read_timeout_s: Longest silence of the server.

    Returns:
        The weights file. The record is the `.json` beside it.

    Raises:
        ModelError: The file does not come, or is not the expected one. No code in it is run; it is deleted.
        OSError: The folder cannot be written.
    """
    assert entry.url is not None
    folder = models_folder()
    if folder is None:
        raise ModelError(f"user {os.getuid()} has no home directory: set BISENETFORMER_MODELS to a folder for models")
    path = folder / f"{entry.name}.safetensors"
    recorded = read_download_record(path).get("sha256")
    published = folder / f"{entry.name}.unconverted{Path(urlsplit(entry.url).path).suffix}"
    try:
        fetch(entry.url, published, entry.sha256 or recorded, entry.limit_mb * 1e6, on_progress, read_timeout_s)
    except HashError as error:
        if entry.sha256:
            advice = "is the catalogue's or that of --sha256: update this package, or ask the publisher"
            raise ModelError(f"{error} The expected hash {advice}") from None
        first = path.with_suffix(".json")
        raise ModelError(
            f"{error} The first download had the expected one: if you trust the new, delete {first}"
        ) from None
    sha256 = sha256_of(published)
    try:
        weights = _convert(entry, published, sha256)
    except ModelError as error:
        published.unlink()
        raise ModelError(f"{error}; the file was deleted") from None
    record = {"url": entry.url, "sha256": sha256, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    try:
        write_together({path.with_suffix(".json"): (json.dumps(record, indent=2) + "\n").encode(), path: weights})
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}; the same command continues") from None
    published.unlink()
    return path


def _convert(entry: CatalogEntry, published: Path, sha256: str) -> bytes:
    """Return the content of a weights file; check that the network is that of the catalogue."""
    if entry.kind == "backbone" and entry.architecture:
        backbone = build_model(entry.architecture, num_classes=1).backbone
        tensors = read_tensors(published)
        with naming(published):
            tensors = backbone_tensors(tensors)
        load_tensors(backbone, tensors, published)
        return serialize_backbone(backbone, entry.architecture)
    model, metadata = load_checkpoint(published)
    provenance = {"source": entry.url, "sha256": sha256, "licence": entry.licence}
    metadata = replace(metadata, name=entry.name, provenance=provenance)
    if entry.architecture is None:
        return serialize_model(model, metadata)
    found = (metadata.architecture["name"], len(metadata.labels), metadata.task)
    expected = (entry.architecture, entry.num_classes, entry.task)
    if found != expected:
        words = ["{} with {} classes, {}".format(*network) for network in (expected, found)]
        raise ModelError(f"{published}: expected {words[0]}, got {words[1]}")
    return serialize_model(model, replace(metadata, input_size=entry.input_size))
