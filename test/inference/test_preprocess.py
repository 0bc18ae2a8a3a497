import numpy as np
import pytest
import torch

from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.inference.preprocess import plan_geometry, preprocess
from bisenetformer_ros.results import ImageGeometry

MEAN = (123.675, 116.28, 103.53)


@pytest.mark.parametrize(
    ("image_size", "input_size", "resized_size", "padded_size"),
    [
        ((1024, 2048), None, (1024, 2048), (1024, 2048)),
        ((360, 480), None, (360, 480), (384, 480)),
        ((1, 1), None, (1, 1), (32, 32)),
        ((1, 40000), None, (1, 40000), (32, 40000)),
        ((480, 640), 512, (512, 683), (512, 704)),
        ((640, 480), 512, (683, 512), (704, 512)),
        ((1000, 1), 64, (256, 1), (256, 32)),  # the longer side is held at four times the shorter one asked for
        ((720, 960), (360, 480), (360, 480), (384, 480)),
        ((480, 960), (360, 480), (240, 480), (384, 480)),
        ((960, 480), (360, 480), (360, 180), (384, 480)),
        ((1, 1), (360, 480), (360, 360), (384, 480)),
        ((3, 50000), (360, 480), (1, 480), (384, 480)),
    ],
)
def test_geometry_keeps_the_aspect_and_pads_to_the_stride(
    image_size: tuple[int, int],
    input_size: int | tuple[int, int] | None,
    resized_size: tuple[int, int],
    padded_size: tuple[int, int],
) -> None:
    assert plan_geometry(image_size, input_size) == ImageGeometry(image_size, resized_size, padded_size)


@pytest.mark.parametrize("image_size", [(0, 5), (5, 0)])
def test_empty_images_are_rejected(image_size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 1x1"):
        plan_geometry(image_size, None)


@pytest.mark.parametrize("input_size", [0, -32, (0, 480), (360, -1)])
def test_input_sizes_below_one_are_rejected(input_size: int | tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="input size of at least 1"):
        plan_geometry((480, 640), input_size)


def test_padding_is_the_mean_and_pixels_are_unchanged() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (33, 50, 3), dtype=np.uint8)
    images = preprocess([rgb], plan_geometry((33, 50), None), MEAN)
    assert images.dtype == torch.float32
    assert images.shape == (1, 3, 64, 64)
    for channel in range(3):
        expected = np.full((64, 64), MEAN[channel], np.float32)
        expected[:33, :50] = rgb[:, :, channel]
        np.testing.assert_array_equal(images[0, channel], expected)


def test_upsizing_interpolates_and_downsizing_averages() -> None:
    halves = np.zeros((32, 64, 3), np.uint8)
    halves[:, 32:] = 200
    grown = preprocess([halves], plan_geometry((32, 64), 64), MEAN)[0, 0, :, :128]
    row = grown[10].numpy()
    assert (np.diff(row) >= 0).all()
    np.testing.assert_array_equal(row[[0, 62, 63, 64, 65, 127]], [0, 0, 50, 150, 200, 200])

    checkers = np.indices((64, 128)).sum(axis=0) % 2 * np.uint8(200)
    board = np.repeat(checkers[..., None], 3, axis=2).astype(np.uint8)
    shrunk = preprocess([board], plan_geometry((64, 128), 32), MEAN)
    assert (shrunk == 100).all()  # a method that samples single pixels would see one of 0 and 200


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 3000), (2000, 3)])
@pytest.mark.parametrize("input_size", [None, 64, (96, 160)])
def test_any_size_is_accepted(size: tuple[int, int], input_size: int | tuple[int, int] | None) -> None:
    geometry = plan_geometry(size, input_size)
    images = preprocess([np.full((*size, 3), 7, np.uint8)], geometry, MEAN)
    height, width = geometry.resized_size
    assert images.shape == (1, 3, *geometry.padded_size)
    np.testing.assert_allclose(images[..., :height, :width], 7, rtol=1e-5)
    assert geometry.padded_size[0] % 32 == geometry.padded_size[1] % 32 == 0


def test_views_and_read_only_images_are_accepted() -> None:
    bgr = np.random.default_rng(1).integers(0, 256, (40, 32, 3), dtype=np.uint8)
    bgr.setflags(write=False)
    images = preprocess([bgr[::-1, :, ::-1]], plan_geometry((40, 32), None), MEAN)
    np.testing.assert_array_equal(images[0, 0, :40], bgr[::-1, :, 2])


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        ([[0, 0, 0]], "got list"),
        (np.zeros((8, 8, 3), np.float32), "float32"),
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), r"shape \(8, 8, 4\)"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\)"),
        (np.zeros((8, 9, 3), np.uint8), r"\(height, width\) \(8, 8\), got \(8, 9\)"),
    ],
)
def test_invalid_images_are_rejected(image: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        preprocess([image], plan_geometry((8, 8), None), MEAN)
