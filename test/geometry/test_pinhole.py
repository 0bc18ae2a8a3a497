"""Points of closed forms, computed from their equations alone."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from bisenetformer_ros.geometry.pinhole import Pinhole, fit_depth
from bisenetformer_ros.images.raw import BadFrameError

SIZE = (48, 64)
CAMERA = Pinhole(fx=50.0, fy=60.0, cx=30.0, cy=25.5)


def info(**fields):
    """A CameraInfo with the matrix K of CAMERA; fields replace its own."""
    roi = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0)
    k = [50.0, 0.0, 30.0, 0.0, 60.0, 25.5, 0.0, 0.0, 1.0]
    defaults = {"height": 48, "width": 64, "binning_x": 0, "binning_y": 0, "roi": roi, "k": k, "p": [0.0] * 12}
    return SimpleNamespace(**{**defaults, **fields})


def depth_of_plane(normal, distance, camera, size):
    """Depth where the ray through each pixel meets the plane normal · point = distance."""
    depth = np.empty(size)
    for v in range(size[0]):
        for u in range(size[1]):
            ray = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0
            depth[v, u] = distance / sum(a * b for a, b in zip(normal, ray, strict=True))
    return depth


def points(depth, camera):
    columns, rows = camera.rays(depth.shape)
    return np.stack([depth * columns, depth * rows[:, None], depth], axis=-1)


def test_points_of_a_slanted_plane_lie_in_it():
    normal, distance = (0.3, -0.2, 0.9), 4.0
    found = points(depth_of_plane(normal, distance, CAMERA, SIZE), CAMERA)
    np.testing.assert_allclose(found @ normal, distance, rtol=1e-6)
    assert np.ptp(found[..., 2]) > 1


def test_the_axes_point_right_down_and_forward():
    depth = np.full(SIZE, 2.0)
    found = points(depth, CAMERA)
    np.testing.assert_allclose(found[25, 40], (10 / 50 * 2, -0.5 / 60 * 2, 2), rtol=1e-6)
    np.testing.assert_allclose(found[45, 30], (0, 19.5 / 60 * 2, 2), rtol=1e-6)


@pytest.mark.parametrize(("size", "ratio"), [((24, 32), 2), ((16, 64 // 3), 3), ((96, 128), 0.5), ((144, 192), 1 / 3)])
def test_a_depth_image_of_another_size_is_brought_to_that_of_the_mask(size, ratio):
    mask_size = (round(size[0] * ratio), round(size[1] * ratio))
    small = CAMERA.scaled(size[1] / 64, size[0] / 48)
    normal, distance = (0.0, 0.4, 1.0), 5.0
    depth, camera = fit_depth(depth_of_plane(normal, distance, small, size), small, mask_size)
    assert depth.shape == mask_size
    off = np.abs(points(depth, camera) @ normal - distance)
    assert off.max() < 0.1  # a pixel of the coarser image covers that much of the plane
    left = (-0.5 - small.cx) / small.fx
    assert (-0.5 - camera.cx) / camera.fx == pytest.approx(left)  # the edges of the view stay


@pytest.mark.parametrize("size", [(24, 33), (48, 32), (30, 40), (47, 64)])
def test_other_ratios_are_refused_with_both_sizes(size):
    with pytest.raises(BadFrameError, match=f"depth image is {size[1]}x{size[0]} but the mask 64x48") as caught:
        fit_depth(np.zeros(size), CAMERA, SIZE)
    assert caught.value.kind == "other_size"


def test_camera_matrix_where_the_projection_is_not_set():
    assert Pinhole.from_camera_info(info(), SIZE) == CAMERA


def test_projection_matrix_comes_first():
    p = [70.0, 0.0, 31.0, -5.0, 0.0, 71.0, 22.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert Pinhole.from_camera_info(info(p=p), SIZE) == Pinhole(70.0, 71.0, 31.0, 22.0)


def test_binning_and_region_of_interest():
    """Of the pixels from (10, 6) on, two by two become one: its centre lies between theirs."""
    roi = SimpleNamespace(x_offset=10, y_offset=6, height=40, width=50)
    camera = Pinhole.from_camera_info(info(roi=roi, binning_x=2, binning_y=2), (20, 25))
    u, v = 3, 4
    x, y = ((10 + 2 * u + 0.5) - 30) / 50, ((6 + 2 * v + 0.5) - 25.5) / 60
    assert ((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy) == pytest.approx((x, y))


def test_a_size_of_zero_is_unknown():
    assert Pinhole.from_camera_info(info(height=0, width=0), (480, 640)) == CAMERA


def test_calibration_of_another_size():
    with pytest.raises(
        BadFrameError, match="depth image is 640x480 but its camera_info is for 64x48: use the"
    ) as caught:
        Pinhole.from_camera_info(info(), (480, 640))
    assert caught.value.kind == "other_camera_info"


@pytest.mark.parametrize("focal", [0.0, -1.0, math.nan, math.inf])
def test_no_focal_length(focal):
    with pytest.raises(BadFrameError, match="calibrate the camera") as caught:
        Pinhole.from_camera_info(info(k=[focal, 0.0, 30.0, 0.0, 60.0, 25.5, 0.0, 0.0, 1.0]), SIZE)
    assert caught.value.kind == "uncalibrated"
