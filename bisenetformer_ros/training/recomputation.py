"""Recomputation of activations in the backward pass, to save memory (Chen et al., 2016)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from bisenetformer_ros.model.backbones import Bottleneck, CatBottleneck


def recompute_backbone(backbone: nn.Module) -> None:
    """Make stem and blocks of a backbone keep their input only. Gradients and running statistics do not change."""
    blocks = [module for module in backbone.modules() if isinstance(module, (Bottleneck, CatBottleneck))]
    for block in (backbone.get_submodule("stem"), *blocks):
        forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=partial(_contexts, block))
        block.forward = forward


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of the first pass and of the second one."""
    return nullcontext(), _kept_statistics(block)


@contextmanager
def _kept_statistics(block: nn.Module) -> Iterator[None]:
    """The first pass has updated the running statistics; the second one may end early, by an exception."""
    norms = [module for module in block.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, norm.get_buffer("num_batches_tracked").clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.get_buffer("num_batches_tracked").copy_(count)
