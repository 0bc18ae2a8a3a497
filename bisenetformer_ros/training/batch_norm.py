"""Batch normalization over the images of all processes, so that statistics do not depend on their number."""

from typing import Any

import torch
from torch import Tensor, nn

from bisenetformer_ros.training.distributed import average, num_processes
from bisenetformer_ros.training.points import at_least_single


def synchronize_batch_norms(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace batch normalizations by PyTorch's SyncBatchNorm, or on the CPU, which it does not support, by ours.

    Parameters and buffers stay the same objects under the same names.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, CpuSyncBatchNorm(child))
    return model


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """Replaces `original`; all processes must have the same number of images of the same size."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, original: nn.BatchNorm2d) -> None:
        super().__init__(original.num_features, original.eps, original.momentum)
        self._parameters, self._buffers = original._parameters, original._buffers

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H, W)."""
        if not self.training:
            return super().forward(x)
        values = at_least_single(x)
        mean = _Average.apply(values.mean(dim=(0, 2, 3)))
        centred = values - mean[:, None, None]
        variance = _Average.apply(centred.square().mean(dim=(0, 2, 3)))
        self._follow(mean.detach(), variance.detach(), values.numel() // self.num_features)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as PyTorch does, with the unbiased variance."""
        total = count * num_processes()
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * total / (total - 1), self.momentum)


class _Average(torch.autograd.Function):
    """Mean over the processes. Each input affects the loss of every process, so gradients are averaged, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return average(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return average(gradient)
