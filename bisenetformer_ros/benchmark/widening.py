"""A trained network made twice as wide without changing what it computes.

Speed and agreement depend on the masks that a network predicts: random weights predict none that look like objects.
This package ships a trained nano, which is STDC1 at half width, so widening it gives STDC1's arithmetic with trained
masks. The idea is Net2Net's (Chen et al., ICLR 2016): every channel becomes two equal ones, and what reads them takes
half of each.
"""

import torch
from torch import Tensor

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer


@torch.no_grad()
def widen(narrow: BiSeNetFormer, wide: BiSeNetFormer) -> None:
    """Fills `wide` with the function of `narrow`.

    wide: twice the channels, layers in between (feed-forward, queries) any multiple, at least the classes of `narrow`.
    Then, in eval mode, every mask of `narrow` comes as often as there are queries for it, and the classes that `narrow`
    does not have get no probability.
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
    """Each output, and each input with its share of the weight, as often in a row as `shape` has room for.

    In a row, since then concatenating channels and cutting them into heads leaves together what is equal.
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
        return 2**-0.5  # a head of twice the size has logits twice as large, and divides them by √2 more
    if name.startswith("decoder.head.mask_embedding.4."):
        return 0.5  # it meets mask features that are there twice
    return 2.0 if name.startswith("decoder.query_") else 1.0  # embeddings have no inputs to share a weight among


def _onto_positions(rows: Tensor) -> Tensor:
    """Rows for the channels whose positions are encoded with the same wavelengths, zeros for those between them.

    Of four channels of the wide encoding, the first two have the wavelength of a pair of the narrow one.
    """
    spread = rows.new_zeros(2 * len(rows), *rows.shape[1:])
    spread[0::4], spread[1::4] = rows[0::2], rows[1::2]
    return spread


def _copy_classes(target: Tensor, source: Tensor) -> None:
    """The classes of both first, "no object" last; those between have a logit far below all others."""
    wider = _repeat(source, source.shape[:1] + target.shape[1:])
    target.fill_(-30.0 if target.dim() == 1 else 0.0)
    target[: len(source) - 1], target[-1] = wider[:-1], wider[-1]
