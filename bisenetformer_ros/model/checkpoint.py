"""Weights on disk: our safetensors, the authors' .pth files and ImageNet backbones.

Nothing here runs code from a file: safetensors hold numbers, .pth files are read with weights_only.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.authors import backbone_tensors, from_authors, is_authors_checkpoint
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.builders import build_model


def save_model(path: str | Path, model: BiSeNetFormer, metadata: ModelMetadata, dtype: torch.dtype = torch.float32) -> None:
    """Writes our format: weights in `dtype` (whole numbers stay), metadata in the header."""
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(tensors, str(path), metadata.to_strings())


def load_model(path: str | Path) -> BiSeNetFormer:
    """The network of a weights file in float32 and eval mode; see `load_checkpoint`."""
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path) -> tuple[BiSeNetFormer, ModelMetadata]:
    """Reads our safetensors or an authors' model_final.pth, whose structure is inferred from its tensors.

    Raises ModelError for a missing, damaged or foreign file, naming tensors that are missing or too many.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelError(f"no weights file at {path}")
    if path.suffix == ".safetensors":
        metadata, tensors = read_metadata(path), _read_safetensors(path)
    else:
        tensors = read_pth(path)
        if not is_authors_checkpoint(tensors):
            raise ModelError(
                f"{path}: not a BiSeNetFormer of the authors' SDK (no 'head.predictor.…' tensors); it starts with "
                f"{', '.join(list(tensors)[:3])}"
            )
        architecture, tensors = from_authors(tensors)
        metadata = _authors_metadata(path, architecture)
    model = build_model(**metadata.architecture, pixel_mean=metadata.pixel_mean, pixel_std=metadata.pixel_std)
    _load_tensors(model, tensors, path)
    return model.eval(), metadata


def load_backbone(model: BiSeNetFormer, path: str | Path) -> None:
    """Puts an ImageNet STDC checkpoint into the model's backbone; its classifier layers are left out.

    Raises ModelError when the file is not one or belongs to another STDC.
    """
    tensors = backbone_tensors(read_pth(Path(path).expanduser()))
    _load_tensors(model.backbone, tensors, Path(path))


def read_metadata(path: str | Path) -> ModelMetadata:
    """The metadata in the header of our safetensors, without reading the weights."""
    try:
        with safe_open(str(path), framework="pt") as file:
            return ModelMetadata.from_strings(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: damaged or not a safetensors file ({error})") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def read_pth(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch checkpoint, unwrapped from a 'model' or 'state_dict' entry."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"no weights file at {path}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(
            f"{path}: damaged, or holds objects other than tensors, which are not loaded since they could run code "
            f"({str(error).splitlines()[0]})"
        ) from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise ModelError(f"{path}: expected a mapping of names to tensors, got {type(content).__name__}")
    return {name: tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(str(path), framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def _load_tensors(module: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    expected = {name: t.shape for name, t in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    given = {name: t.shape for name, t in tensors.items() if not name.endswith("num_batches_tracked")}
    problems = []
    if missing := sorted(expected.keys() - given.keys()):
        problems.append(f"missing {_some(missing)}")
    if unknown := sorted(given.keys() - expected.keys()):
        problems.append(f"unknown {_some(unknown)}")
    if misshapen := sorted(n for n in expected.keys() & given.keys() if expected[n] != given[n]):
        shapes = [f"{name} ({list(given[name])}, expected {list(expected[name])})" for name in misshapen]
        problems.append(f"of another shape {_some(shapes)}")
    if problems:
        raise ModelError(f"{path}: tensors do not fit the network: " + "; ".join(problems))
    module.load_state_dict({name: tensors[name].float() for name in expected}, strict=False)


def _some(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _authors_metadata(path: Path, architecture: dict[str, Any]) -> ModelMetadata:
    num_classes = architecture["num_classes"]
    shipped = {150: "ade20k150", 19: "cityscapes19"}
    labels = LabelMap.load(shipped[num_classes]) if num_classes in shipped else LabelMap.anonymous(num_classes)
    return ModelMetadata(
        name=path.stem,
        architecture=architecture,
        labels=labels,
        input_size=640 if num_classes == 150 else None,
        provenance={"source": path.name, "converted_from": "the authors' checkpoint format"},
    )
