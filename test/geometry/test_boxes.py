"""Boxes of objects that a ray caster renders: for every pixel, the distances to the planes of their faces."""

import numpy as np
import pytest

from bisenetformer_ros.geometry.boxes import find_box

SIZE, FOCAL, CENTER = (120, 160), 150.0, (80.0, 60.0)
WALL_M = 9.0


def view(low, high, yaw=0.0):
    """Mask and depth of the box from corner `low` to corner `high`, turned about its vertical axis, before a wall."""
    low, high = np.array(low, float), np.array(high, float)
    middle = (low + high) / 2
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    mask, depth = np.zeros(SIZE, bool), np.full(SIZE, WALL_M, np.float32)
    for v in range(SIZE[0]):
        for u in range(SIZE[1]):
            ray = turn @ ((u - CENTER[0]) / FOCAL, (v - CENTER[1]) / FOCAL, 1.0)
            origin = turn @ -middle
            with np.errstate(divide="ignore"):
                hits = ((low - middle - origin) / ray, (high - middle - origin) / ray)
            enter, leave = np.minimum(*hits).max(), np.maximum(*hits).min()
            if enter < leave:
                mask[v, u], depth[v, u] = True, enter
    return mask, depth


def rays(rows=slice(None), columns=slice(None)):
    x = ((np.arange(SIZE[1]) - CENTER[0]) / FOCAL).astype(np.float32)
    y = ((np.arange(SIZE[0]) - CENTER[1]) / FOCAL).astype(np.float32)
    return x[columns], y[rows]


FRONTAL = (-0.8, -0.6, 3.0), (0.6, 0.5, 3.4)
PIXEL_M = 3.0 / FOCAL


def check_frontal(box):
    """Only the front of the box can be seen; the box reaches from centre to centre of its outermost pixels."""
    assert box.center == pytest.approx((-0.1, -0.05, 3.0), abs=PIXEL_M)
    assert box.size[:2] == pytest.approx((1.4, 1.1), abs=3.5 * PIXEL_M)
    assert box.size[2] == pytest.approx(0, abs=1e-5)


def test_front_of_a_box():
    check_frontal(find_box(*view(*FRONTAL), rays()))


def test_the_box_does_not_depend_on_the_region_that_is_cut_out():
    mask, depth = view(*FRONTAL)
    rows, columns = slice(20, 100), slice(30, 130)
    assert find_box(mask[rows, columns], depth[rows, columns], rays(rows, columns)) == find_box(mask, depth, rays())


def test_both_visible_sides_of_a_turned_box():
    low, high, yaw = (-0.5, -0.4, 3.5), (0.5, 0.4, 5.5), 0.6
    box = find_box(*view(low, high, yaw), rays())
    corners = [(x, z) for x in (-0.5, 0.5) for z in (-1, 1)]
    x, z = zip(
        *((x * np.cos(yaw) + z * np.sin(yaw), 4.5 - x * np.sin(yaw) + z * np.cos(yaw)) for x, z in corners), strict=True
    )
    visible_z = sorted(z)[:3]  # the farthest edge is hidden
    assert box.size[0] == pytest.approx(max(x) - min(x), abs=3.5 * 5 / FOCAL)
    assert box.size[2] == pytest.approx(max(visible_z) - min(visible_z), abs=0.15)
    assert box.center[2] - box.size[2] / 2 == pytest.approx(min(z), abs=0.05)


def test_background_along_the_edges_is_left_out():
    """The mask is two pixels too wide, and the depth camera mixes the object with the wall there."""
    mask, depth = view(*FRONTAL)
    wide = mask.copy()
    for _ in range(2):
        wide[1:-1, 1:-1] |= wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    edge = wide & ~mask
    mixed = depth.copy()
    mixed[edge] = np.linspace(3.2, WALL_M, edge.sum(), dtype=np.float32)
    box = find_box(wide, mixed, rays())
    assert box.center[2] + box.size[2] / 2 < 3.3
    assert box.size[:2] == pytest.approx((1.4, 1.1), abs=5 * PIXEL_M)


def test_something_before_the_object_is_left_out():
    mask, depth = view(*FRONTAL)
    depth[40:60, 50:110] = 1.2  # a pole of which the mask does not know
    check_frontal(find_box(mask, depth, rays()))


def test_missing_depth():
    mask, depth = view(*FRONTAL)
    depth[::3] = np.nan
    check_frontal(find_box(mask, depth, rays()))
    assert find_box(mask, np.full_like(depth, np.nan), rays()) is None
    assert find_box(np.zeros_like(mask), depth, rays()) is None


def test_a_segment_that_erosion_removes():
    mask, depth = np.zeros(SIZE, bool), np.full(SIZE, WALL_M, np.float32)
    mask[10, 20], depth[10, 20] = True, 4.5
    box = find_box(mask, depth, rays())
    assert box.center == pytest.approx(((20 - 80) / FOCAL * 4.5, (10 - 60) / FOCAL * 4.5, 4.5))
    assert box.size == (0.0, 0.0, 0.0)


def test_a_person_far_away_keeps_the_steps_of_a_stereo_camera():
    mask, depth = view((-1.0, -1.0, 15.0), (1.0, 1.0, 15.2))
    depth[mask] = np.where(np.arange(mask.sum()) % 2, 14.7, 15.3)
    box = find_box(mask, depth, rays())
    assert box.size[2] == pytest.approx(0.6, abs=1e-5)
