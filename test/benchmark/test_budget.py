"""Expected figures are counted by hand from the sizes of the tensors."""

from pathlib import Path

import pytest
import torch
from torch import nn

from bisenetformer_ros.benchmark.budget import ONE_PASS, ORINS, Step, _count, frame_budget
from bisenetformer_ros.benchmark.ceilings import Ceilings, network_gmacs
from bisenetformer_ros.benchmark.tables import budget_table
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.folding import fold

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
STDC1 = ModelMetadata("", {"name": "bisenetformer-stdc1", "num_classes": 19}, LabelMap.load("cityscapes19"))
HEIGHT, WIDTH = 512, 1024


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_steps_of_a_frame(task: str) -> None:
    before, network, after, one_pass = frame_budget(STDC1, task, (HEIGHT, WIDTH))
    pixels, queries = HEIGHT * WIDTH, 100
    # to float, minus the mean, times the scale, padding: each value is read and written
    assert before.megabytes == pytest.approx(3 * pixels * ((1 + 4) + 3 * (4 + 4)) / 1e6, rel=0.001)
    assert network.gmacs == pytest.approx(network_gmacs(STDC1.architecture, (HEIGHT, WIDTH)), rel=0.01)
    # masks at the image's size in float32: written, sigmoid, and read by the product or the maximum
    assert after.megabytes > 4 * 4 * queries * pixels / 1e6
    logits = 4 * queries * (20 + pixels / 64)
    assert (one_pass.name, one_pass.megabytes) == (ONE_PASS, pytest.approx((logits + 2 * pixels) / 1e6))


def test_views_cost_nothing_and_operators_what_they_read_and_write() -> None:
    with torch.device("meta"), torch.no_grad():
        images, convolution = torch.empty(1, 3, 8, 8), nn.Conv2d(3, 4, kernel_size=1, bias=False)
        step, result = _count("", "fp32", lambda: convolution(images).relu().flatten(1)[:, :64])
    assert result.shape == (1, 64)
    values = (3 * 64 + 3 * 4 + 4 * 64) + 2 * 4 * 64
    assert (step.gmacs, step.megabytes) == pytest.approx((3 * 4 * 64 / 1e9, 4 * values / 1e6))


def test_the_layers_are_part_of_the_networks_traffic() -> None:
    with torch.device("meta"), torch.no_grad():
        network = fold(build_model(**STDC1.architecture).eval())
        counted = []

        def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            tensors = (*inputs, output, *module.parameters())
            counted.append(2 * sum(tensor.numel() for tensor in tensors))

        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        network(torch.empty(1, 3, HEIGHT, WIDTH))
    _, step, *_ = frame_budget(STDC1, "semantic", (HEIGHT, WIDTH))
    assert 0.2 < sum(counted) / 1e6 / step.megabytes < 0.6  # the attention of 100 queries is the larger part


def test_a_step_takes_as_long_as_its_slower_half() -> None:
    ceilings = Ceilings({"fp16": 1000.0}, 100.0)
    assert Step("", "fp16", 5.0, 200.0).least_ms(ceilings) == pytest.approx(5.0)
    assert Step("", "fp16", 1.0, 200.0).least_ms(ceilings) == pytest.approx(2.0)
    assert Step("", "fp32", 5.0, 200.0).least_ms(ceilings) == pytest.approx(2.0)  # its rate was not measured


def test_rates_of_the_boards_are_those_that_nvidia_states() -> None:
    """Tera-operations per second of the GPU in int8 with sparsity: 8 per multiply-accumulate in fp16."""
    rates = [8 * board.matmul_gmacs["fp16"] / 1e3 for board in ORINS.values()]
    assert rates == pytest.approx([171, 60, 40], rel=0.03)


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_the_page_has_the_table(task: str) -> None:
    table = budget_table(frame_budget(STDC1, task, (1024, 2048)), ORINS).to_markdown()
    assert table in PAGE.read_text(encoding="utf-8"), f"docs/performance.md needs this table:\n{table}"
