"""Batch normalization over the images of all processes, so that statistics do not depend on their number."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bisenetformer_ros.training.distributed import average, num_processes


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
        output, mean, variance = _Normalize.apply(x, self.weight, self.bias, self.eps)
        self._follow(mean, variance, x.numel() // self.num_features)
        return output

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as PyTorch does, with the unbiased variance."""
        total = count * num_processes()
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * total / (total - 1), self.momentum)


class _Normalize(torch.autograd.Function):
    """Normalize by mean and variance of all processes, with PyTorch's kernels for one process."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        _, own_mean, own_scale = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        mean = average(own_mean)
        variance = average(own_scale**-2 - eps + (own_mean - mean) ** 2)
        output, *_ = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Each image affects the loss of every process through mean and variance.

        PyTorch's kernel subtracts this process's part of that, a sum over its images per channel; the difference from
        the average over the processes is added.
        """
        x, weight, mean, scale = ctx.saved_tensors
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, None, None, mean, scale, True, ctx.eps, [True, True, True]
        )
        own = torch.stack([of_weight, of_bias])
        excess_weight, excess_bias = (own - average(own)) * weight * scale / (x.numel() // len(weight))
        slope = excess_weight * scale
        offset = excess_bias - slope * mean
        of_x += (x * slope[:, None, None] + offset[:, None, None]).to(x.dtype)
        return of_x, of_weight, of_bias, None
