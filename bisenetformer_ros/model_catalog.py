"""The models that can be named: `config/models/catalog.yaml`."""

from dataclasses import dataclass
from pathlib import Path

from bisenetformer_ros.text_files import read_yaml


@dataclass(frozen=True)
class CatalogEntry:
    """A model that ships with the package or can be downloaded.

    Attributes:
        kind: "network", which segments, or "backbone", which a training starts from.
        architecture: Name that `build_model` takes; of a backbone, that of a network which has it.
        data: Data set on which it was trained, and its classes.
        num_classes: None for a backbone, as `task` and `input_size` are.
        task: One of TASKS, for which it was trained.
        input_size: Shorter side, pixels.
        published: Figure as its source states it; None if it states none.
        licence: Licence of the weights or of the code beside them, and terms of the data.
        source: Where this is stated.
        url: Address of the file; None for a model that ships with the package.
        sha256: Of the published file, hexadecimal; None if it is not published.
        limit_mb: Length that a download may not exceed, 10^6 bytes.
    """

    name: str
    kind: str
    architecture: str
    data: str
    num_classes: int | None
    task: str | None
    input_size: int | None
    published: str | None
    licence: str
    source: str
    url: str | None
    sha256: str | None
    limit_mb: float


def read_catalog(path: Path) -> dict[str, CatalogEntry]:
    """Read the catalogue: name → entry, in the file's order."""
    return {name: CatalogEntry(name, **fields) for name, fields in read_yaml(path).items()}
