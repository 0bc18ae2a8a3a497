import numpy as np
import pytest

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.metrics.overlap import count_overlap

PRED = np.array([[5, 5, 0], [9, 7, 0]])
GT = np.array([[1, 2, 2], [1, 4, 0]])


def test_pixels_are_counted_by_pair_with_unlisted_ids_apart() -> None:
    found = count_overlap(PRED, [9, 5, 0], GT, [0, 2, 1, 3])
    np.testing.assert_array_equal(
        found.shared,
        [  # other, 0, 2, 1, 3
            [1, 0, 0, 0, 0],  # other: the 7 on the 4
            [0, 0, 0, 1, 0],  # 9
            [0, 0, 1, 1, 0],  # 5
            [0, 1, 1, 0, 0],  # 0
        ],
    )
    assert found.unlisted_pred_ids == [7]
    assert found.unlisted_gt_ids == [4]
    assert found.pred_areas.tolist() == [1, 2, 2]
    assert found.gt_areas.tolist() == [1, 2, 2, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.int64])
def test_any_integer_type(dtype: type) -> None:
    rng = np.random.default_rng(0)
    pred, gt = rng.integers(0, 200, (2, 30, 40)).astype(dtype)
    found = count_overlap(pred, range(200), gt, range(200))
    expected = np.histogram2d(pred.ravel(), gt.ravel(), bins=200, range=((0, 200), (0, 200)))[0]
    np.testing.assert_array_equal(found.shared[1:, 1:], expected)
    assert found.shared.sum() == pred.size


def test_the_largest_ids_of_the_coco_format() -> None:
    ids = np.array([2**24 - 1, 0, 2**24 - 1, 12], np.uint32)
    found = count_overlap(ids, [2**24 - 1, 0], ids, [0, 2**24 - 1, 12])
    np.testing.assert_array_equal(found.shared, [[0, 0, 0, 1], [0, 0, 2, 0], [0, 1, 0, 0]])


def test_values_outside_the_listed_range_are_unlisted() -> None:
    found = count_overlap(np.array([-3, -1, 0, 3, 500]), [0, 2], np.zeros(5, int), [0])
    assert found.unlisted_pred_ids == [-3, -1, 3, 500]
    assert found.shared[:, 1].tolist() == [4, 1, 0]


def test_parts_of_larger_arrays() -> None:
    pair = np.stack([PRED, GT], axis=-1)
    found = count_overlap(pair[..., 0], [5], pair[..., 1], [1])
    assert found.shared.tolist() == [[3, 1], [1, 1]]


@pytest.mark.parametrize("shape", [(0, 0), (0, 4)])
def test_empty_maps(shape: tuple[int, int]) -> None:
    found = count_overlap(np.zeros(shape, int), [0], np.zeros(shape, int), [0, 1])
    np.testing.assert_array_equal(found.shared, np.zeros((2, 3)))


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"prediction is \(2, 3\), ground truth is \(3, 2\)"):
        count_overlap(PRED, [], GT.T, [])
