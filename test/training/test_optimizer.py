import re
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from bisenetformer_ros.model import build_model
from bisenetformer_ros.training.optimizer import AveragedWeights, build_optimizer, learning_rate_factor


@pytest.mark.parametrize("wrapped", [False, True])
def test_every_parameter_has_its_rate_and_decay(wrapped: bool) -> None:
    model = build_model("bisenetformer-nano", 11, num_blocks=2)
    trained = nn.ModuleDict({"model": model, "auxiliary": nn.Conv2d(3, 4, 1)}) if wrapped else model
    optimizer = build_optimizer(trained, learning_rate=1e-3, weight_decay=0.05, backbone_multiplier=0.1)
    settings = {
        id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]
    }
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(trained.parameters()))
    for name, parameter in trained.named_parameters():
        has_no_decay = re.search(r"norm|\.bn\.|\.downsample\.1\.|refine\d+\.gate\.1\.|decoder\.query_", name)
        rate = 1e-4 if "backbone." in name else 1e-3
        assert settings[id(parameter)] == pytest.approx((rate, 0.0 if has_no_decay else 0.05)), name


def test_the_backbone_may_learn_as_fast_as_the_rest() -> None:
    optimizer = build_optimizer(build_model("bisenetformer-nano", 11, num_blocks=2), 1e-3, 0.05, 1.0)
    assert sorted((group["lr"], group["weight_decay"]) for group in optimizer.param_groups) == [
        (1e-3, 0.0),
        (1e-3, 0.05),
    ]
    assert isinstance(optimizer, torch.optim.AdamW)


@pytest.mark.parametrize(
    ("iteration", "factor"),
    [(0, 0.05), (9, 0.5), (19, 1.0), (20, 1.0), (888, 1.0), (889, 0.1), (962, 0.1), (963, 0.01), (999, 0.01)],
)
def test_step_rises_and_falls_twice(iteration: int, factor: float) -> None:
    found = learning_rate_factor("step", iteration, 1000, warmup=0.02, milestones=(0.889, 0.963))
    assert found == pytest.approx(factor)


@pytest.mark.parametrize(("iteration", "factor"), [(9, 0.5), (500, 0.5), (250, 0.853553), (750, 0.146447), (1000, 0.0)])
def test_cosine_falls_to_nothing(iteration: int, factor: float) -> None:
    found = learning_rate_factor("cosine", iteration, 1000, warmup=0.02, milestones=())
    assert found == pytest.approx(factor, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("schedule", ["step", "cosine", "poly"])
def test_a_run_of_one_iteration_learns(schedule: str) -> None:
    assert learning_rate_factor(schedule, 0, 1, warmup=0.02, milestones=(0.889,)) == 1.0


@pytest.mark.parametrize(
    ("schedule", "build"),
    [
        ("step", lambda optimizer: lr_scheduler.MultiStepLR(optimizer, milestones=[50, 75], gamma=0.1)),
        ("cosine", lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)),
        ("poly", lambda optimizer: lr_scheduler.PolynomialLR(optimizer, total_iters=100, power=0.9)),
    ],
)
def test_schedules_without_warm_up_are_those_of_pytorch(
    schedule: str, build: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]
) -> None:
    """Which computes each rate from the one before."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = build(optimizer)
    for iteration in range(100):
        found = learning_rate_factor(schedule, iteration, 100, warmup=0.0, milestones=(0.5, 0.75))
        assert found == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9), iteration
        optimizer.step()
        scheduler.step()


def norm_of(weight: float, mean: float, batches: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(1)
    with torch.no_grad():
        norm.weight.fill_(weight)
        norm.running_mean.fill_(mean)
        norm.num_batches_tracked.fill_(batches)
    return norm


def test_every_tensor_follows_by_hand() -> None:
    """Decays 1/10, 2/11, 3/12, 4/13 and then 0.3, which is less than 5/14."""
    average = AveragedWeights(norm_of(100.0, -50.0, 0), decay=0.3)
    weight, mean = 100.0, -50.0
    for step, decay in enumerate((1 / 10, 2 / 11, 1 / 4, 0.3, 0.3, 0.3), start=1):
        average.update(norm_of(float(step), 2.0 * step, step))
        weight, mean = decay * weight + (1 - decay) * step, decay * mean + (1 - decay) * 2 * step
        torch.testing.assert_close(average.model.weight.item(), weight, rtol=1e-6, atol=0)
        torch.testing.assert_close(average.model.running_mean.item(), mean, rtol=1e-6, atol=0)
        assert average.model.num_batches_tracked == step


def test_initial_weights_are_soon_forgotten() -> None:
    average = AveragedWeights(norm_of(1000.0, 0.0, 0), decay=0.999)
    for _ in range(20):
        average.update(norm_of(1.0, 0.0, 0))
    assert abs(average.model.weight.item() - 1) < 1e-3


def test_the_average_is_not_trained_and_does_not_share_weights() -> None:
    trained = norm_of(1.0, 0.0, 0)
    average = AveragedWeights(trained, decay=0.9)
    average.update(trained)
    assert not average.model.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert trained.weight.requires_grad
    assert average.model.weight.data_ptr() != trained.weight.data_ptr()
