"""Resizing as one sparse matrix per axis, applied in small dense blocks.

Bilinear and area interpolation are linear and separable. `Taps` lists the matrix entries; `ResizeBlocks` is the same
matrix, block by block.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Taps:
    """Output i is Σ_k weights[i, k] · source[indices[i, k]]; both arrays are (target, K)."""

    indices: np.ndarray
    weights: np.ndarray

    def after(self, inner: "Taps") -> "Taps":
        """Compose: apply `inner` first, then these taps."""
        target = len(self.indices)
        weights = self.weights[:, :, None] * inner.weights[self.indices]
        return Taps(inner.indices[self.indices].reshape(target, -1), weights.reshape(target, -1))


def bilinear_taps(source: int, target: int) -> Taps:
    """Return the taps of F.interpolate(mode="bilinear", align_corners=False), which equals cv2.INTER_LINEAR."""
    position = np.maximum((np.arange(target) + 0.5) * (source / target) - 0.5, 0)
    lower = np.minimum(position.astype(int), source - 1)
    fraction = position - lower
    upper = np.minimum(lower + (fraction > 0), source - 1)
    return Taps(np.stack([lower, upper], axis=1), np.stack([1 - fraction, fraction], axis=1))


def area_taps(source: int, target: int) -> Taps:
    """Return the taps of cv2.INTER_AREA for target ≤ source: the mean over the area that an output pixel covers."""
    scale = source / target
    begin = np.arange(target)[:, None] * scale
    indices = begin.astype(int) + np.arange(int(np.ceil(scale)) + 1)
    covered = np.minimum(indices + 1, begin + scale) - np.maximum(indices, begin)
    return Taps(np.minimum(indices, source - 1), covered.clip(min=0) / scale)


@dataclass(frozen=True)
class ResizeBlocks:
    """The resize matrix of one axis: block b of the outputs is weights[b] @ source[first[b] : first[b] + num_taps].

    If the outputs do not fill the last block, its remaining weights are 0.

    Attributes:
        first: (blocks,) int.
        weights: (blocks, block_size, num_taps) float32.
    """

    first: np.ndarray
    weights: np.ndarray

    @property
    def num_taps(self) -> int:
        return self.weights.shape[2]

    @property
    def sources(self) -> np.ndarray:
        """(blocks, num_taps) source index of every tap."""
        return self.first[:, None] + np.arange(self.num_taps)

    @classmethod
    def plan(cls, taps: Taps, source: int, block_size: int) -> "ResizeBlocks":
        """Cut taps on an axis of length `source` into blocks."""
        target = len(taps.indices)
        starts = np.arange(0, target, block_size)
        first = np.minimum.reduceat(taps.indices.min(axis=1), starts)
        num_taps = int((np.maximum.reduceat(taps.indices.max(axis=1), starts) - first).max()) + 1
        first = np.minimum(first, source - num_taps)
        dense = np.zeros((len(starts), block_size, num_taps))
        block, within = np.divmod(np.arange(target), block_size)
        np.add.at(dense, (block[:, None], within[:, None], taps.indices - first[block, None]), taps.weights)
        return cls(first, dense.astype(np.float32))
