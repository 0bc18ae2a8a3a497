import numpy as np
import pytest
import torch
from torch import nn

from bisenetformer_ros.benchmark import ceilings
from bisenetformer_ros.benchmark.ceilings import measure_ceilings, network_gmacs
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.folding import fold

CPU = torch.device("cpu")


@pytest.fixture
def half_a_second_per_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances by half a second per reading, and small operands."""
    ticks = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(ceilings, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(ceilings, "MATRIX_SIZE", {"cpu": 100})
    monkeypatch.setattr(ceilings, "COPIED_BYTES", {"cpu": 4_000_000})


@pytest.mark.usefixtures("half_a_second_per_call")
def test_rates_are_work_per_time() -> None:
    measured = measure_ceilings(CPU, {"fp32", "bf16", "int8"}, repetitions=1)
    assert measured.matmul_gmacs == pytest.approx(dict.fromkeys(("bf16", "fp32", "int8"), 100**3 / 0.5e9))
    assert measured.bandwidth_gbs == pytest.approx(2 * 4e6 / 0.5e9)


def test_folding_saves_five_gmacs_of_the_papers_stdc1() -> None:
    """55.8 to 56.6 G; savings: mask products 2.94 → 0.81, keys and values 4.36 → 2.01, fusion 0.54."""
    saved = (2.94 - 0.81) + (4.36 - 2.01) + 0.54
    gmacs = network_gmacs({"name": "bisenetformer-stdc1", "num_classes": 19}, (1024, 2048))
    assert 55.8 - saved <= gmacs <= 56.6 - saved


def test_every_layer_is_counted() -> None:
    architecture = {"name": "bisenetformer-nano", "num_classes": 11}
    height, width = 96, 160
    network = fold(build_model(**architecture))
    counted = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal counted
        if isinstance(module, nn.Conv2d):
            per_output = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        else:
            per_output = module.in_features
        counted += output.numel() * per_output

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.rand(1, 3, height, width))
        counted = 0  # the first image of a size also computes the keys of positions
        network(torch.rand(1, 3, height, width))

    decoder = network.decoder
    num_queries, dim = decoder.query_feat.weight.shape
    channels = decoder.head.mask_embedding[-1].out_features
    keys_of_levels = [height * width // 32**2, height * width // 16**2]
    for index in range(len(decoder.blocks)):
        num_keys = keys_of_levels[index % 2]
        counted += num_keys * channels * 2 * dim  # keys and values
        counted += 2 * num_queries * (num_keys + num_queries) * dim  # both attentions, logits and sums
        counted += num_queries * channels * num_keys  # the mask that steers
    counted += num_queries * channels * (height * width // 8**2)
    assert 1e9 * network_gmacs(architecture, (height, width)) == pytest.approx(counted, rel=0.002)
