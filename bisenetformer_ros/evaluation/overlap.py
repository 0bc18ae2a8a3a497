"""How many pixels each segment of one map shares with each segment of another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError

CHUNK = 1 << 18
"""Pixels counted at a time: their 8-byte indices stay in the cache."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """shared: (1 + P, 1 + G) int64, pixels of prediction segment p in ground truth segment g.

    Row p + 1 belongs to pred_ids[p], column g + 1 to gt_ids[g]; row 0 and column 0 hold the pixels whose id is not
    listed. unlisted_*: those ids, ascending.
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
    """The maps are integer arrays of one shape; the ids are distinct and not negative.

    Raises InputError for differing shapes. Costs three passes over the pixels, however many segments there are, and
    address space (touched where ids are, not more) for the largest id.
    """
    if pred_map.shape != gt_map.shape:
        raise InputError(f"prediction is {pred_map.shape}, ground truth is {gt_map.shape}; expected the same shape")
    shape = 1 + len(pred_ids), 1 + len(gt_ids)
    row_start = _positions(pred_ids) * shape[1]
    column = _positions(gt_ids)
    shared = np.zeros(shape[0] * shape[1], np.int64)
    pred_pixels, gt_pixels = pred_map.ravel(), gt_map.ravel()
    for start in range(0, pred_pixels.size, CHUNK):
        index = _look_up(row_start, pred_pixels[start : start + CHUNK])
        index += _look_up(column, gt_pixels[start : start + CHUNK])
        shared += np.bincount(index, minlength=shared.size)
    shared = shared.reshape(shape)
    return Overlap(
        np.array(pred_ids, np.int64),
        np.array(gt_ids, np.int64),
        shared,
        unlisted_pred_ids=np.setdiff1d(pred_map, pred_ids).tolist() if shared[0].any() else [],
        unlisted_gt_ids=np.setdiff1d(gt_map, gt_ids).tolist() if shared[:, 0].any() else [],
    )


def _positions(ids: Sequence[int]) -> np.ndarray:
    """A table by id + 1: where the id stands in `ids`, from 1; 0 for ids that are not listed, at both ends at least."""
    table = np.zeros(max(ids, default=0) + 3, np.intp)
    table[np.array(ids, np.intp) + 1] = np.arange(1, len(ids) + 1)
    return table


def _look_up(table: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    index = pixels.astype(np.intp)
    index += 1
    return np.take(table, index, mode="clip")
