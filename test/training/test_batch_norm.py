import pytest
import torch
from torch import nn

from bisenetformer_ros.model import build_model
from bisenetformer_ros.training.batch_norm import CpuSyncBatchNorm, synchronize_batch_norms


def test_on_a_gpu_pytorch_synchronizes() -> None:
    """Conversion needs no GPU; parameters and buffers stay the same objects under the same names."""
    model = build_model("bisenetformer-nano", 11, num_blocks=2)
    before = dict(model.named_parameters()), model.state_dict()
    num_norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    converted = synchronize_batch_norms(model, torch.device("cuda"))
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in converted.modules()) == num_norms > 30
    assert not any(isinstance(module, nn.BatchNorm2d) for module in converted.modules())
    assert all(parameter is before[0][name] for name, parameter in converted.named_parameters())
    assert list(converted.state_dict()) == list(before[1])


def test_on_the_cpu_every_norm_is_replaced_and_keeps_its_parameters() -> None:
    model = build_model("bisenetformer-nano", 11, num_blocks=2).eval()
    images = torch.rand(1, 3, 64, 64) * 255
    parameters, state, expected = dict(model.named_parameters()), model.state_dict(), model(images)
    converted = synchronize_batch_norms(model, torch.device("cpu")).eval()
    norms = [module for module in converted.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 30
    assert all(isinstance(norm, CpuSyncBatchNorm) for norm in norms)
    assert all(parameter is parameters[name] for name, parameter in converted.named_parameters())
    assert list(converted.state_dict()) == list(state)
    assert all(torch.equal(*pair) for pair in zip(converted(images), expected, strict=True))


@pytest.mark.parametrize(
    ("images", "parameters", "tolerance"),
    [(torch.float64, torch.float64, 1e-10), (torch.bfloat16, torch.float32, 0.01)],
    ids=["double", "autocast"],
)
def test_with_one_process_it_computes_the_same_as_pytorch(
    images: torch.dtype, parameters: torch.dtype, tolerance: float
) -> None:
    """Output, gradients and running statistics."""
    torch.manual_seed(0)
    theirs = nn.BatchNorm2d(3).to(parameters)
    with torch.no_grad():
        for tensor in (theirs.weight, theirs.bias, theirs.running_mean):
            tensor.normal_()
    ours = CpuSyncBatchNorm(nn.BatchNorm2d(3).to(parameters))
    ours.load_state_dict(theirs.state_dict())
    outputs = []
    for norm in (theirs, ours):
        x = torch.arange(72.0).sin().view(2, 3, 4, 3).to(images).requires_grad_()
        y = norm(x)
        y.square().cos().sum().backward()
        outputs.append([y, x.grad, norm.weight.grad, norm.bias.grad, *norm.state_dict().values()])
    for expected, found in zip(*outputs, strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
