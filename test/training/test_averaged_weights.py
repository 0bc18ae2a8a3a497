import torch
from torch import nn

from bisenetformer_ros.training.averaged_weights import AveragedWeights


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


def test_it_does_not_begin_with_the_random_weights() -> None:
    average = AveragedWeights(norm_of(1000.0, 0.0, 0), decay=0.999)
    for _ in range(20):
        average.update(norm_of(1.0, 0.0, 0))
    assert abs(average.model.weight.item() - 1) < 1e-3


def test_it_neither_learns_nor_touches_what_it_follows() -> None:
    trained = norm_of(1.0, 0.0, 0)
    average = AveragedWeights(trained, decay=0.9)
    average.update(trained)
    assert not average.model.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert trained.weight.requires_grad
    assert average.model.weight.data_ptr() != trained.weight.data_ptr()
