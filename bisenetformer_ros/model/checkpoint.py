"""Weights files: our safetensors and the authors' .pth.

No code from a file is run: safetensors hold only numbers, and .pth files are read with weights_only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.errors import ConfigError, ModelError
from bisenetformer_ros.file_names import printable, utf8_path
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.authors import AUTHORS_TASK, from_authors, is_authors_checkpoint
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.imagenet import is_backbone_checkpoint
from bisenetformer_ros.model.pickled_tensors import read_pickled_tensors, without_ddp_prefix
from bisenetformer_ros.resources import find_model

_NOT_WEIGHTS = ("num_batches_tracked", "pixel_mean", "pixel_std")
"""Buffers that are neither saved nor expected; the metadata holds the normalization."""

_BACKBONE = "backbone"
"""Key in the header of a file that holds a backbone alone."""
_ONLY_A_BACKBONE = "an ImageNet backbone, which can initialize a training but cannot segment"


def save_model(
    path: str | Path, model: BiSeNetFormer, metadata: ModelMetadata, dtype: torch.dtype = torch.float32
) -> None:
    """Replace a safetensors file in one step by the content that `serialize_model` returns; raises as it does."""
    write_atomically(Path(path), serialize_model(model, metadata, dtype))  # save_file gives it mode 0600


def serialize_model(model: BiSeNetFormer, metadata: ModelMetadata, dtype: torch.dtype = torch.float32) -> bytes:
    """Return the content of a weights file: parameters in `dtype`, and the metadata in its header.

    Statistics of batch normalizations stay in float32.

    Raises:
        ValueError: The model normalizes its input by other values than the metadata states.
    """
    for name, expected in (("pixel_mean", metadata.pixel_mean), ("pixel_std", metadata.pixel_std)):
        used = model.get_buffer(name).flatten().tolist()
        if not torch.allclose(torch.tensor(used), torch.tensor(expected)):
            raise ValueError(f"the model's {name} is {used}, the metadata says {list(expected)}")
    parameters = {name for name, _ in model.named_parameters()}
    tensors = {
        name: tensor.to(dtype if name in parameters else torch.float32).contiguous()
        for name, tensor in _weights(model.state_dict()).items()
    }
    return save(tensors, metadata.to_strings())


def serialize_backbone(backbone: torch.nn.Module, architecture: str) -> bytes:
    """Return the content of a safetensors file of a backbone alone, from which a training can start."""
    tensors = {name: tensor.contiguous() for name, tensor in _weights(backbone.state_dict()).items()}
    return save(tensors, {_BACKBONE: architecture})


def load_model(path: str | Path) -> BiSeNetFormer:
    """Load a network in float32 and eval mode.

    Args:
        path: Name of a model, our safetensors, or an authors' model_final.pth, whose structure is inferred from its
            tensors.

    Raises:
        ModelError: The file is missing, corrupt or foreign.
    """
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path) -> tuple[BiSeNetFormer, ModelMetadata]:
    """Load a network as `load_model` does.

    Returns:
        The network, in float32 and eval mode, and its metadata.

    Raises:
        ModelError: The file is missing, corrupt or foreign. The message lists missing and unknown tensors.
    """
    path = find_model(path)
    if path.suffix.lower() == ".safetensors":
        metadata, tensors = read_metadata(path), _read_safetensors(path)
    else:
        tensors = read_pickled_tensors(path)
        _expect_network(tensors, path)
        with naming(path):
            architecture, tensors = from_authors(tensors)
        metadata = _authors_metadata(path, architecture)
    model = _build(metadata, path)
    load_tensors(model, tensors, path)
    return model.eval(), metadata


def read_metadata(path: str | Path) -> ModelMetadata:
    """Read the header of our safetensors, without the weights. Raises ModelError."""
    try:
        with utf8_path(Path(path)) as name, safe_open(name, framework="pt") as file, naming(path):
            header = file.metadata() or {}
            if _BACKBONE in header:
                raise ModelError(f"expected the weights of a whole network, got {_ONLY_A_BACKBONE}")
            return ModelMetadata.from_strings(header)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: corrupt, or not a safetensors file ({error})") from error


def trained_task(path: Path) -> str:
    """Return the task for which a weights file was trained, without loading the weights. Raises ModelError."""
    return read_metadata(path).task if path.suffix.lower() == ".safetensors" else AUTHORS_TASK


def weights_precision(path: Path) -> str:
    """Return "fp16" or "bf16" if a weights file stores any parameters so, else "fp32". Raises ModelError."""
    short = {torch.float16: "fp16", torch.bfloat16: "bf16"}
    return next((short[t.dtype] for t in read_tensors(path).values() if t.dtype in short), "fp32")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of any checkpoint, by name. Raises ModelError."""
    if path.suffix.lower() == ".safetensors":
        return without_ddp_prefix(_read_safetensors(path))
    return read_pickled_tensors(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read the whole file at once: a truncation while it is memory-mapped would kill the process.

    safe_open of safetensors 0.8 also leaks 20 KiB per model.
    """
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise ModelError(f"{path}: corrupt ({error})") from error


def _expect_network(tensors: dict[str, Tensor], path: Path) -> None:
    if is_authors_checkpoint(tensors):
        return
    if not tensors:
        found = "no tensors; the weights of a training run are in the .safetensors next to its checkpoint"
    elif is_backbone_checkpoint(tensors):
        found = _ONLY_A_BACKBONE
    else:
        found = f"tensors such as {', '.join(list(tensors)[:3])}"
    raise ModelError(
        f"{path}: expected our .safetensors or the checkpoint of a whole network ('head.predictor.…'), got {found}"
    )


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Prefix ModelErrors with the file's name."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _build(metadata: ModelMetadata, path: Path) -> BiSeNetFormer:
    normalization = {"pixel_mean": metadata.pixel_mean, "pixel_std": metadata.pixel_std}
    try:
        return build_model(**{**metadata.architecture, **normalization})
    except (ConfigError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: the header does not describe a network this version can build: {error}") from error


@dataclass(frozen=True)
class Misfit:
    """A tensor that `load_fitting` left alone; a shape is None where it does not exist."""

    name: str
    in_file: torch.Size | None
    in_module: torch.Size | None


def load_fitting(module: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> list[Misfit]:
    """Load the tensors whose names and shapes fit a module, and return the others of both. ModelError if none fits."""
    expected = {name: tensor.shape for name, tensor in _weights(module.state_dict()).items()}
    given = {name: tensor.shape for name, tensor in _weights(tensors).items()}
    fitting = {name: tensors[name].float() for name in expected if given.get(name) == expected[name]}
    if not fitting:
        raise ModelError(f"{path}: no tensor fits the network")
    module.load_state_dict(fitting, strict=False)
    names = dict.fromkeys([*expected, *given])
    return [Misfit(name, given.get(name), expected.get(name)) for name in names if name not in fitting]


def load_tensors(module: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors from a file into a module. Raises ModelError, which lists those that do not fit."""
    expected = {name: tensor.shape for name, tensor in _weights(module.state_dict()).items()}
    given = {name: tensor.shape for name, tensor in _weights(tensors).items()}
    problems = []
    if missing := sorted(expected.keys() - given.keys()):
        problems.append(f"missing {_some(missing)}")
    if unknown := sorted(given.keys() - expected.keys()):
        problems.append(f"unknown {_some(unknown)}")
    if misshapen := sorted(n for n in expected.keys() & given.keys() if expected[n] != given[n]):
        shapes = [f"{name} ({list(given[name])}, expected {list(expected[name])})" for name in misshapen]
        problems.append(f"wrong shape {_some(shapes)}")
    if problems:
        raise ModelError(f"{path}: tensors do not fit the network: " + "; ".join(problems))
    module.load_state_dict({name: tensors[name].float() for name in expected}, strict=False)


def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(_NOT_WEIGHTS)}


def _some(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _authors_metadata(path: Path, architecture: dict[str, Any]) -> ModelMetadata:
    num_classes = architecture["num_classes"]
    shipped = {150: "ade20k150", 19: "cityscapes19"}
    labels = LabelMap.load(shipped[num_classes]) if num_classes in shipped else LabelMap.anonymous(num_classes)
    return ModelMetadata(
        name=printable(path.stem),
        architecture=architecture,
        labels=labels,
        input_size=640 if num_classes == 150 else None,
        provenance={"source": path.name, "converted_from": "the authors' checkpoint format"},
        task=AUTHORS_TASK,
    )
