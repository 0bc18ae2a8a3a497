"""Resizing as weights on one axis, and those weights cut into blocks that are applied as small dense products.

Bilinear and area interpolation act on each axis alone, and are linear: one sparse matrix per axis. `Taps` names its
entries; `ResizeBlocks` is the same matrix, block by block.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Taps:
    """Output i is the sum over k of weights[i, k] · source[indices[i, k]]; both arrays are (target, K)."""

    indices: np.ndarray
    weights: np.ndarray

    def after(self, inner: "Taps") -> "Taps":
        """These taps on what `inner` makes of its source, as taps on that source."""
        target = len(self.indices)
        weights = self.weights[:, :, None] * inner.weights[self.indices]
        return Taps(inner.indices[self.indices].reshape(target, -1), weights.reshape(target, -1))


def bilinear_taps(source: int, target: int) -> Taps:
    """F.interpolate(mode="bilinear", align_corners=False) and cv2.INTER_LINEAR: half-pixel centres, edges repeated."""
    position = np.maximum((np.arange(target) + 0.5) * (source / target) - 0.5, 0)
    lower = np.minimum(position.astype(int), source - 1)
    upper = np.minimum(lower + 1, source - 1)
    fraction = position - lower
    return Taps(np.stack([lower, upper], axis=1), np.stack([1 - fraction, fraction], axis=1))


def area_taps(source: int, target: int) -> Taps:
    """cv2.INTER_AREA, for target ≤ source: the mean of what an output pixel covers, parts of pixels in proportion."""
    scale = source / target
    begin = np.arange(target)[:, None] * scale
    indices = begin.astype(int) + np.arange(int(np.ceil(scale)) + 1)
    covered = np.minimum(indices + 1, begin + scale) - np.maximum(indices, begin)
    return Taps(np.minimum(indices, source - 1), covered.clip(min=0) / scale)


@dataclass(frozen=True)
class ResizeBlocks:
    """The resize matrix of one axis: block b of the outputs is weights[b] @ source[first[b] : first[b] + num_taps].

    The last block reaches beyond the outputs where their number is no multiple of the block's; its weights there are 0.
    """

    first: np.ndarray  # (blocks,) int
    weights: np.ndarray  # (blocks, block_size, num_taps) float32

    @property
    def block_size(self) -> int:
        return self.weights.shape[1]

    @property
    def num_taps(self) -> int:
        return self.weights.shape[2]

    @classmethod
    def plan(cls, taps: Taps, source: int, block_size: int) -> "ResizeBlocks":
        """source: length of the axis that the taps refer to."""
        target = len(taps.indices)
        starts = np.arange(0, target, block_size)
        first = np.minimum.reduceat(taps.indices.min(axis=1), starts)
        num_taps = int((np.maximum.reduceat(taps.indices.max(axis=1), starts) - first).max()) + 1
        first = np.minimum(first, source - num_taps)
        dense = np.zeros((len(starts), block_size, num_taps))
        block, within = np.divmod(np.arange(target), block_size)
        np.add.at(dense, (block[:, None], within[:, None], taps.indices - first[block, None]), taps.weights)
        return cls(first, dense.astype(np.float32))
