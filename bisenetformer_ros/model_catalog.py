"""The models that can be named: those of `config/models/catalog.yaml`, and those downloaded from an address."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.text_files import read_yaml

NOT_STATED = "not stated"
ADDRESS_LIMIT_MB = 1000.0
"""Limit for a file whose length no catalogue knows."""


@dataclass(frozen=True)
class CatalogEntry:
    """A model that ships with the package or can be downloaded.

    Attributes:
        kind: "network", which segments, or "backbone", which a training starts from.
        architecture: Name that `build_model` takes; of a backbone, that of a network which has it. None until the file
            of an address has shown it, as `num_classes`, `task` and `input_size` are.
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
    architecture: str | None
    data: str
    num_classes: int | None
    task: str | None
    input_size: int | tuple[int, int] | None
    published: str | None
    licence: str
    source: str
    url: str | None
    sha256: str | None
    limit_mb: float


def read_catalog(path: Path) -> dict[str, CatalogEntry]:
    """Read the catalogue: name → entry, in the file's order."""
    return {name: CatalogEntry(name, **fields) for name, fields in read_yaml(path).items()}


def entry_of_address(url: str, sha256: str | None) -> CatalogEntry:
    """Describe the network at an address; it is named like the file.

    Raises:
        ConfigError: The address ends without the name of a file.
    """
    name = Path(urlsplit(url).path).stem
    if not name:
        raise ConfigError(f"{url}: expected the address of a file, such as https://…/my-network.safetensors")
    unknown = (None, NOT_STATED, None, None, None, None, NOT_STATED)
    return CatalogEntry(name, "network", *unknown, source=url, url=url, sha256=sha256, limit_mb=ADDRESS_LIMIT_MB)
