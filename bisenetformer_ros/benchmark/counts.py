"""Parameters and multiply-accumulates of a network, counted without running it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bisenetformer_ros.benchmark.ceilings import network_gmacs
from bisenetformer_ros.model.builders import build_model


@dataclass(frozen=True)
class NetworkCounts:
    """Size and arithmetic of a network.

    Attributes:
        params_m: 10⁶ parameters.
        gmacs: 10⁹ multiply-accumulates of the network that is trained, which predicts after every block.
        folded_gmacs: The same of the network that the engines run, as `network_gmacs` counts it.
    """

    params_m: float
    gmacs: float
    folded_gmacs: float


def count_network(architecture: Mapping[str, Any], size: tuple[int, int]) -> NetworkCounts:
    """Count a network.

    Args:
        architecture: Keywords of `build_model`.
        size: (height, width) of the input, multiples of 32.

    Raises:
        ConfigError: There is no such network.
    """
    with torch.device("meta"):
        network = build_model(**architecture).eval().requires_grad_(False)
        images = torch.empty(1, 3, *size)
    with FlopCounterMode(display=False) as counter:
        features = network.extract(images)
        network.decoder.predict_all(features.levels, features.mask)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkCounts(parameters / 1e6, counter.get_total_flops() / 2e9, network_gmacs(architecture, size))
