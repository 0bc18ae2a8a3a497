"""Makes a trained network twice as wide without changing its function.

Speed and agreement depend on the predicted masks, and random weights predict none that look like objects. This package
ships a trained nano, which is STDC1 at half width, so widening it gives STDC1's arithmetic with trained masks. As in
Net2Net (Chen et al., ICLR 2016), every channel is duplicated, and its readers take half of each copy.
"""

import torch
from torch import Tensor

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer


@torch.no_grad()
def widen(narrow: BiSeNetFormer, wide: BiSeNetFormer) -> None:
    """Fill `wide` with the function of `narrow`.

    In eval mode, every mask of `narrow` is then repeated, and classes that `narrow` lacks have no probability.

    Args:
        narrow: Trained network.
        wide: Network with twice the channels, any multiple of the feed-forward width and the queries, and at least the
            classes of `narrow`.
    """
    source = narrow.state_dict()
    for name, tensor in wide.state_dict().items():
        if name.startswith("decoder.head.classes."):
            _copy_classes(tensor, source[name])
        elif name.startswith("decoder.level_projections."):
            tensor.copy_(_onto_positions(_repeat(source[name], source[name].shape[:1] + tensor.shape[1:])))
        elif "cross_attention.key.weight" in name or "cross_attention.value.weight" in name:
            tensor.copy_(_onto_positions(_repeat(source[name], tensor.shape[:1] + source[name].shape[1:]).T).T)
        else:
            tensor.copy_(_repeat(source[name], tensor.shape) * _scale(name))


def _repeat(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Repeat outputs, and inputs with a share of the weight, to `shape`.

    Copies are adjacent, so that concatenating channels and splitting heads keeps them together.
    """
    if tensor.dim() == 0:
        return tensor
    wider = tensor.repeat_interleave(shape[0] // len(tensor), dim=0)
    if tensor.dim() == 1:
        return wider
    inputs = shape[1] // tensor.shape[1]
    return wider.repeat_interleave(inputs, dim=1) / inputs


def _scale(name: str) -> float:
    if "attention.query." in name:
        return 2**-0.5  # logits of a head of twice the size double, and are divided by √2 more
    if name.startswith("decoder.head.mask_embedding.4."):
        return 0.5  # multiplies mask features that occur twice
    return 2.0 if name.startswith("decoder.query_") else 1.0  # embeddings have no inputs to share a weight


def _onto_positions(rows: Tensor) -> Tensor:
    """Move rows to the channels whose position encoding has the same wavelength; zeros elsewhere.

    Of four channels of the wide encoding, the first two have the wavelength of a pair of the narrow one.
    """
    spread = rows.new_zeros(2 * len(rows), *rows.shape[1:])
    spread[0::4], spread[1::4] = rows[0::2], rows[1::2]
    return spread


def _copy_classes(target: Tensor, source: Tensor) -> None:
    """Copy the common classes and "no object", which is last; classes between get a logit far below all others."""
    wider = _repeat(source, source.shape[:1] + target.shape[1:])
    target.fill_(-30.0 if target.dim() == 1 else 0.0)
    target[: len(source) - 1], target[-1] = wider[:-1], wider[-1]
