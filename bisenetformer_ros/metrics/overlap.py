"""Overlap: the pixels that each segment of one map shares with each segment of another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError


@dataclass(frozen=True, eq=False)
class Overlap:
    """Overlap of P predicted segments with G segments of the ground truth.

    Attributes:
        pred_ids: (P,) ids.
        gt_ids: (G,) ids.
        shared: (1 + P, 1 + G) int64 pixels. Row p + 1 belongs to pred_ids[p], column g + 1 to gt_ids[g]; row 0 and
            column 0 count the pixels whose id is not listed.
        unlisted_pred_ids: Ids in the prediction's map that are not listed, ascending.
        unlisted_gt_ids: Likewise in the ground truth's map.
    """

    pred_ids: np.ndarray
    gt_ids: np.ndarray
    shared: np.ndarray
    unlisted_pred_ids: list[int]
    unlisted_gt_ids: list[int]

    @property
    def pred_areas(self) -> np.ndarray:
        """(P,) pixels of each prediction segment."""
        return self.shared[1:].sum(axis=1)

    @property
    def gt_areas(self) -> np.ndarray:
        """(G,) pixels of each ground truth segment."""
        return self.shared[:, 1:].sum(axis=0)


def count_overlap(pred_map: np.ndarray, pred_ids: Sequence[int], gt_map: np.ndarray, gt_ids: Sequence[int]) -> Overlap:
    """Count the overlap of two id maps.

    Looks up runs of pixels that are equal in both maps rather than pixels, since segments are large.

    Args:
        pred_map: Integer array of ids.
        pred_ids: Distinct ids.
        gt_map: Integer array of the same shape.
        gt_ids: Distinct ids.

    Raises:
        InputError: The shapes differ.
    """
    if pred_map.shape != gt_map.shape:
        raise InputError(f"prediction is {pred_map.shape}, ground truth is {gt_map.shape}; expected the same shape")
    pred_pixels, gt_pixels = pred_map.ravel(), gt_map.ravel()
    changes = np.ones(pred_pixels.size, bool)
    changes[1:] = pred_pixels[1:] != pred_pixels[:-1]
    changes[1:] |= gt_pixels[1:] != gt_pixels[:-1]
    starts = np.flatnonzero(changes)
    pred_runs, gt_runs, lengths = pred_pixels[starts], gt_pixels[starts], np.diff(starts, append=changes.size)

    rows, columns = _positions(pred_runs, pred_ids), _positions(gt_runs, gt_ids)
    shape = 1 + len(pred_ids), 1 + len(gt_ids)
    pixels = np.bincount(rows * shape[1] + columns, weights=lengths, minlength=shape[0] * shape[1])
    return Overlap(
        np.array(pred_ids, np.int64),
        np.array(gt_ids, np.int64),
        pixels.astype(np.int64).reshape(shape),
        unlisted_pred_ids=np.unique(pred_runs[rows == 0]).tolist(),
        unlisted_gt_ids=np.unique(gt_runs[columns == 0]).tolist(),
    )


def _positions(values: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """Return the position of each value in `ids`, from 1; 0 for values that are not listed."""
    if not ids:
        return np.zeros(values.shape, np.intp)
    order = np.argsort(ids)
    ascending = np.array(ids, np.int64)[order]
    index = np.minimum(np.searchsorted(ascending, values), len(ids) - 1)
    return np.where(ascending[index] == values, order[index] + 1, 0)
