"""The arithmetic of one frame, counted from the network's operators without running them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.folding import fold


def network_gmacs(architecture: Mapping[str, Any], padded_size: tuple[int, int]) -> float:
    """10⁹ multiply-accumulates of the folded network, which is what the engines compute, on one image.

    architecture: as in a model's metadata. Counted are convolutions, matrix products and attention; normalizations,
    activations and interpolations are not.
    """
    with torch.device("meta"):
        network = fold(build_model(**architecture))
        images = torch.empty(1, 3, *padded_size)
    with torch.no_grad():
        network(images)  # makes what is kept for all images of this size
        with FlopCounterMode(display=False) as counter:
            network(images)
    return counter.get_total_flops() / 2e9
