"""PyTorch, on the CPU or on CUDA."""

from pathlib import Path

import torch
from torch import Tensor

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.model.folding import fold

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """The folded network. device: "auto" (CUDA if there is one), "cpu", "cuda", "cuda:N". precision: "auto" is fp32 on
    the CPU and fp16 on CUDA.

    Raises EngineError for a device or precision that does not exist here, ModelError for the weights.
    """

    name = "torch"

    def __init__(self, path: str | Path, device: str = "auto", precision: str = "auto") -> None:
        self._device = resolve_device(device)
        self.device = str(self._device)
        self.precision = _resolve_precision(precision, self._device)
        model, self.metadata = load_checkpoint(path)
        self._model = fold(model).to(self._device)
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs

    @torch.inference_mode()
    def infer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Engine.infer`."""
        images = images.to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device.type, DTYPES[self.precision], enabled=self.precision != "fp32"):
            class_logits, mask_logits = self._model(images)
        return class_logits.float(), mask_logits.float()


def resolve_device(device: str) -> torch.device:
    """ "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:N" → device; raises EngineError when it is not here."""
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise EngineError(f"unknown device '{device}', expected auto, cpu, cuda or cuda:N") from None
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (resolved.index or 0) >= count:
            raise EngineError(
                f"device '{device}' was asked for, but PyTorch {torch.__version__} sees {count} CUDA devices here; "
                "set device to auto or cpu, or install a PyTorch built for this machine's CUDA"
            )
    elif resolved.type != "cpu":
        raise EngineError(f"device '{device}' is not supported, expected auto, cpu, cuda or cuda:N")
    return resolved


def _resolve_precision(precision: str, device: torch.device) -> str:
    if precision == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if precision not in DTYPES:
        raise EngineError(f"unknown precision '{precision}', expected auto, {', '.join(DTYPES)}")
    if precision == "fp16" and device.type == "cpu":
        raise EngineError("precision fp16 needs a GPU; on the CPU use fp32, bf16 or auto")
    return precision
