import math

import numpy as np

from bisenetformer_ros.geometry.cloud import POINT, fill_cloud

COLORS = np.zeros(256, np.uint32)
COLORS[[1, 2]] = 0x112233, 0xFF8000
SCORES = np.zeros(2**16, np.float32)
SCORES[[5, 65535]] = 0.25, 0.875
RAYS = np.array([-1, 0, 0.5], np.float32), np.array([2, -0.25], np.float32)
DEPTH = np.array([[1, 2, 4], [np.nan, 3, 8]], np.float32)
LABELS = np.array([[1, 2, 255], [1, 1, 2]], np.uint8)


def test_every_point_by_hand():
    points = np.full((2, 3), 9, POINT)  # from the frame before
    instances = np.array([[5, 65535, 0], [5, 5, 65535]], np.uint16)
    fill_cloud(points, DEPTH, RAYS, LABELS, instances, COLORS, SCORES)
    assert points[0].tolist() == [
        (-1.0, 2.0, 1.0, 0x112233, 1, 5, 0.25),
        (0.0, 4.0, 2.0, 0xFF8000, 2, 65535, 0.875),
        (2.0, 8.0, 4.0, 0, 255, 0, 0.0),
    ]
    assert all(math.isnan(points[1, 0][axis]) for axis in "xyz")
    assert points[1, 0].tolist()[3:] == (0x112233, 1, 5, 0.25)
    assert points[1, 2].tolist() == (4.0, -2.0, 8.0, 0xFF8000, 2, 65535, 0.875)


def test_the_semantic_task_has_no_instances():
    points = np.full((2, 3), 9, POINT)
    fill_cloud(points, DEPTH, RAYS, LABELS, None, COLORS, SCORES)
    assert not points["instance"].any()
    assert not points["confidence"].any()
    assert (points["label"] == LABELS).all()


def test_rgb_is_read_as_a_float_at_its_place():
    points = np.zeros((2, 3), POINT)
    fill_cloud(points, DEPTH, RAYS, LABELS, None, COLORS, SCORES)
    blue, green, red, _ = points.tobytes()[POINT.itemsize + 12 : POINT.itemsize + 16]
    assert (red, green, blue) == (0xFF, 0x80, 0x00)
