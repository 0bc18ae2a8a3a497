import cv2
import numpy as np
import pytest

from bisenetformer_ros.inference.resize import ResizeBlocks, Taps, area_taps, bilinear_taps

SIZES = [(7, 7), (10, 23), (1, 5), (480, 512), (45, 45)]
SHRINKING = [(7, 7), (23, 10), (5, 1), (1280, 768), (90, 45)]


def apply(taps: Taps, source: np.ndarray) -> np.ndarray:
    return (taps.weights * source[taps.indices]).sum(axis=1)


def resized_by_opencv(source: np.ndarray, length: int, interpolation: int) -> np.ndarray:
    picture = np.repeat(source[:, None].astype(np.float32), 3, axis=1)
    return cv2.resize(picture, (3, length), interpolation=interpolation)[:, 1]


@pytest.mark.parametrize(("source", "target"), SIZES + SHRINKING)
def test_bilinear_taps_equal_opencv(source: int, target: int) -> None:
    values = np.random.default_rng(0).uniform(0, 255, source)
    expected = resized_by_opencv(values, target, cv2.INTER_LINEAR)
    np.testing.assert_allclose(apply(bilinear_taps(source, target), values), expected, atol=0.01)


@pytest.mark.parametrize(("source", "target"), SHRINKING)
def test_area_taps_equal_opencv(source: int, target: int) -> None:
    values = np.random.default_rng(0).uniform(0, 255, source)
    expected = resized_by_opencv(values, target, cv2.INTER_AREA)
    np.testing.assert_allclose(apply(area_taps(source, target), values), expected, atol=0.01)


def test_taps_compose() -> None:
    values = np.random.default_rng(0).uniform(0, 255, 30)
    inner, outer = bilinear_taps(30, 47), area_taps(40, 17)
    expected = apply(outer, apply(inner, values)[:40])
    np.testing.assert_allclose(apply(outer.after(inner), values), expected)


@pytest.mark.parametrize(("source", "target", "block_size"), [(20, 50, 8), (50, 20, 8), (50, 20, 20), (3, 10, 64)])
def test_blocks_equal_the_taps(source: int, target: int, block_size: int) -> None:
    values = np.random.default_rng(0).uniform(0, 255, source)
    taps = bilinear_taps(source, target)
    blocks = ResizeBlocks.plan(taps, source, block_size)
    pieces = [
        weights @ values[first : first + blocks.num_taps]
        for first, weights in zip(blocks.first, blocks.weights, strict=True)
    ]
    joined = np.concatenate(pieces)
    assert all(len(piece) == block_size for piece in pieces)
    np.testing.assert_allclose(joined[:target], apply(taps, values), rtol=1e-5)
    assert not joined[target:].any()
