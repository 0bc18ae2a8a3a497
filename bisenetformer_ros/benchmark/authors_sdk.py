"""Runs the network of the authors' SDK (github.com/FocoosAI/focoos, tested with 0.25.0) from a checkout.

The checkout is not modified. Importing it as a package would require a hub client, a trainer and a web interface, none
of which the network uses. Stubs replace these modules, so that PyTorch is the only requirement.
"""

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from bisenetformer_ros.benchmark.contestants import SegmentFrame
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.model.authors import from_authors
from bisenetformer_ros.model.backbones import STDC
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import load_model
from bisenetformer_ros.results import SegmentationResult, StageTimes

_NETWORK = "focoos/models/bisenetformer/modelling.py"
_PACKAGES = ("focoos", "focoos.models", "focoos.models.bisenetformer")


@dataclass(frozen=True)
class SdkContestant:
    """The SDK's network with our weights, for frames that need no resizing.

    The SDK's forward returns class probabilities, and mask probabilities upsampled to the frame's size. Their products
    are summed over the queries, as in the SDK's semantic inference, and the best class wins. The SDK's evaluation also
    resizes the masks to the size they already have, which is omitted here.

    Attributes:
        weights: Weights file of this package, with an STDC backbone.
        checkout: Checkout of the SDK.
    """

    weights: Path
    checkout: Path
    name: str = "authors' SDK"
    engine: str = "authors' SDK"
    precision: str = "fp32"
    semantic_order: SemanticOrder = "coarse"

    def open(self) -> SegmentFrame:
        network = build_network(self.checkout, load_model(self.weights))

        @torch.inference_mode()
        def segment(frame: np.ndarray) -> SegmentationResult:
            start = perf_counter()
            images = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
            converted = perf_counter()
            output = network(images)
            inferred = perf_counter()
            scores = torch.einsum("nc,nhw->chw", output.logits[0], output.masks[0])
            best, classes = scores.max(dim=0)
            label_map, confidence = (x.to(torch.uint8).numpy() for x in (classes, best.clamp(0, 1) * 255))
            stages = (converted - start, inferred - converted, perf_counter() - inferred)
            return SegmentationResult(label_map, confidence, times_ms=StageTimes(*(1e3 * s for s in stages)))

        return segment


def build_network(checkout: Path, ours: BiSeNetFormer) -> nn.Module:
    """Build the SDK's network with our weights, in eval mode. Raises ConfigError for a backbone other than STDC."""
    if not isinstance(ours.backbone, STDC):
        raise ConfigError(f"the SDK supports only STDC backbones, got {type(ours.backbone).__name__}")
    modules = _import_network(checkout)
    layers = [len(list(stage.children())) for stage in ours.backbone.stages]
    backbone = modules.stdc.STDCConfig(base=ours.backbone.out_channels[0], layers=layers)
    config = modules.config.BisenetFormerConfig(backbone_config=backbone, **_describe(ours))
    theirs = modules.modelling.BisenetFormer(config)
    _, under_our_names = from_authors(dict(theirs.state_dict()))
    weights = ours.state_dict()
    with torch.no_grad():
        for name, tensor in under_our_names.items():
            tensor.copy_(weights[name])  # a view of their parameter
    return theirs.eval()


class _Modules(NamedTuple):
    """Modules of the SDK in use."""

    modelling: Any
    config: Any
    stdc: Any


def _import_network(checkout: Path) -> _Modules:
    if not (checkout / _NETWORK).is_file():
        raise ConfigError(f"{checkout} is not a checkout of the authors' SDK: it has no {_NETWORK}")
    names = ("focoos.models.bisenetformer.modelling", "focoos.models.bisenetformer.config", "focoos.nn.backbone.stdc")
    with _stubs(checkout):
        return _Modules(*map(importlib.import_module, names))


def _describe(ours: BiSeNetFormer) -> dict[str, Any]:
    """Describe our network in fields of the SDK's configuration."""
    decoder = ours.decoder
    num_queries, dim = decoder.query_feat.weight.shape
    channels = decoder.level_projections[0].in_channels
    of_channels = ("pixel_decoder_out_dim", "pixel_decoder_feat_dim", "transformer_predictor_out_dim", "head_out_dim")
    return {
        "num_classes": decoder.head.classes.out_features - 1,
        "num_queries": num_queries,
        "transformer_predictor_hidden_dim": dim,
        "transformer_predictor_dec_layers": len(decoder.blocks),
        "transformer_predictor_dim_feedforward": decoder.blocks[0].get_parameter("feedforward.0.weight").shape[0],
        "pixel_mean": ours.pixel_mean.flatten().tolist(),
        "pixel_std": ours.pixel_std.flatten().tolist(),
    } | dict.fromkeys(of_channels, channels)


class _Stub(ModuleType):
    """A stub module and package: every name that is imported from it is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":
            return []
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _NetworkBase(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()


class _BackboneManager:
    @staticmethod
    def from_config(config: Any) -> nn.Module:
        return importlib.import_module("focoos.nn.backbone.stdc").STDC(config)


_STUBS: dict[str, dict[str, Any]] = {
    "focoos.ports": {},
    "focoos.structures": {},
    "focoos.utils": {},
    "focoos.utils.env": {"TORCH_VERSION": (2, 7)},  # of the SDK's requirements
    "focoos.utils.logger": {"get_logger": logging.getLogger},
    "focoos.utils.distributed": {},
    "focoos.utils.distributed.comm": {},
    "focoos.utils.distributed.dist": {},
    "focoos.models.focoos_model": {"BaseModelNN": _NetworkBase},
    "focoos.model_manager": {"BackboneManager": _BackboneManager},
}
_FOR_TRAINING = ("torchvision", "scipy", "scipy.optimize")
"""Libraries that only the loss imports."""


@contextmanager
def _stubs(checkout: Path) -> Iterator[None]:
    """Register the checkout's packages without their `__init__`, and stubs for the modules around the network."""
    replaced = [name for name in _FOR_TRAINING if name not in sys.modules]
    if "focoos" not in sys.modules:
        for name in _PACKAGES:
            sys.modules[name] = ModuleType(name)
            sys.modules[name].__path__ = [str(checkout / name.replace(".", "/"))]
        for name, content in _STUBS.items():
            sys.modules[name] = _Stub(name)
            sys.modules[name].__dict__.update(content)
    sys.modules.update({name: _Stub(name) for name in replaced})
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]
