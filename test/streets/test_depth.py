"""Depth, calibration and boxes of the drives, compared with closed forms and with rays cut by planes."""

from dataclasses import replace

import numpy as np
import pytest

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.streets import StreetDrive
from bisenetformer_ros.streets.camera import StreetCamera
from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.relief import Relief
from bisenetformer_ros.streets.textures import Texture, generator
from bisenetformer_ros.streets.vehicles import Vehicle

SIZE = (180, 240)
FRAMES = [(seed, index) for seed in (1, 4, 12) for index in (0, 17, 39)]
ID = {label.name: label.id for label in LabelMap.load("camvid11").labels}


@pytest.fixture(scope="module")
def drives():
    return {seed: StreetDrive(seed, num_frames=40, size=SIZE) for seed in (1, 4, 12)}


@pytest.fixture
def camera():
    return StreetCamera(
        size=(90, 120), focal=110.0, center_x=60.3, center_y=40.7, height=1.4, lateral=0.0, station=0.0, curvature=0.0
    )


def points_of(matrix, depth):
    """(H, W, 3) points in the optical frame."""
    rows, columns = np.indices(depth.shape)
    pixels = np.stack([columns, rows, np.ones(depth.shape)], axis=-1)
    return pixels @ np.linalg.inv(matrix).T * depth[..., None].astype(np.float64)


def on_road(label_map):
    """Where the ground is seen: nothing else has these classes."""
    return np.isin(label_map, [ID["road"], ID["pavement"]])


@pytest.mark.parametrize(("seed", "index"), FRAMES)
def test_the_road_has_the_depth_of_its_plane(drives, seed, index):
    camera, _ = drives[seed].scene(index)
    depth, road = drives[seed].depth(index), on_road(drives[seed][index].label_map)
    assert depth.dtype == np.float32
    rows = np.nonzero(road)[0]
    expected = camera.height * camera.focal / (rows - camera.center_y)
    np.testing.assert_array_max_ulp(depth[road], expected.astype(np.float32), maxulp=1)
    assert road.sum() > 10000


@pytest.mark.parametrize(("seed", "index"), FRAMES)
def test_points_on_the_road_are_as_deep_as_the_camera_is_high(drives, seed, index):
    drive = drives[seed]
    road = on_road(drive[index].label_map)
    heights = points_of(drive.camera_matrix(index), drive.depth(index))[road][:, 1]
    np.testing.assert_allclose(heights, drive.scene(index)[0].height, rtol=1e-6)


def test_the_principal_point_follows_the_pitching_of_the_camera(drives):
    rows = {drives[1].camera_matrix(index)[1, 2] for index in range(5)}
    assert len(rows) == 5
    assert max(rows) - min(rows) < 5


@pytest.mark.parametrize(("seed", "index"), FRAMES)
def test_the_sky_alone_has_no_depth(drives, seed, index):
    depth = drives[seed].depth(index)
    np.testing.assert_array_equal(depth == np.inf, drives[seed][index].label_map == ID["sky"])
    assert (depth > 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (37, 53), (40, 301)])
def test_any_size_has_depth(size):
    drive = StreetDrive(8, num_frames=20, size=size)
    depth = drive.depth(13)
    assert depth.shape == size
    np.testing.assert_array_equal(depth == np.inf, drive[13].label_map == ID["sky"])


@pytest.mark.parametrize(("seed", "index"), FRAMES)
def test_things_are_nearer_than_the_ground_behind_them(drives, seed, index):
    camera, _ = drives[seed].scene(index)
    depth, things = drives[seed].depth(index), drives[seed][index].instance_map > 0
    rows = np.arange(SIZE[0])[:, None] - 1  # their lowest pixels may begin up to one row above the ground they hide
    below = rows > camera.center_y
    ground = np.where(below, camera.focal * camera.height / np.where(below, rows - camera.center_y, 1), np.inf)
    assert things.sum() > 500
    assert (depth < np.broadcast_to(ground, SIZE))[things].all()


@pytest.mark.parametrize(("seed", "index"), FRAMES)
def test_visible_things_lie_in_their_boxes(drives, seed, index):
    drive = drives[seed]
    matrix, depth, instance_map = drive.camera_matrix(index), drive.depth(index), drive[index].instance_map
    points, boxes = points_of(matrix, depth), {box.id: box for box in drive.things(index)}
    visible = np.unique(instance_map[instance_map > 0])
    assert len(visible) >= 3
    for thing in visible:
        mine = instance_map == thing
        box = boxes[thing]
        assert (drive[index].label_map[mine] == box.class_id).all()
        outside = np.abs(points[mine] - box.center) - box.size / 2
        assert outside[:, 2].max() < 0.06  # bumpers and plates
        pixel = depth[mine] / matrix[0, 0]
        # At an edge of a surface that is seen nearly edge-on, a pixel's centre may miss the surface by far.
        assert (outside[:, 0] < pixel).mean() > 0.99
        assert (outside[:, 1] < pixel).all()


def test_boxes_follow_the_bend_of_the_road(drives):
    """They agree with the road coordinates of the street, and bumpers reach their near side."""
    drive = drives[4]
    camera, items = drive.scene(20)
    expected = {item.code: item for item in items if item.code}
    boxes = drive.things(20)
    assert {box.id for box in boxes} == set(expected)
    for box in boxes:
        item = expected[box.id]
        z = item.s + item.model.length / 2 - camera.station
        ends = np.array([z - item.model.length / 2, z + item.model.length / 2])
        bend = camera.curvature * ends**2 / 2
        assert box.center[1] == pytest.approx(camera.height - item.model.height / 2)
        assert box.center[2] == pytest.approx(z)
        assert box.center[0] == pytest.approx(item.u - camera.lateral + bend.mean())
        size = [item.model.width + np.ptp(bend), item.model.height, item.model.length]
        np.testing.assert_allclose(box.size, size)


def test_what_hides_a_vehicle_is_nearer(camera, light):
    near, far = (Item(Vehicle(generator(7)), 0.3, s, code) for s, code in ((9.0, 5000), (16.0, 6000)))
    both, alone = (Canvas(camera, light, Relief(camera)) for _ in range(2))
    for item in (far, near):
        item.model.draw(both, item)
    far.model.draw(alone, far)
    hidden = (both.codes == 5000) & (alone.codes == 6000)
    assert hidden.sum() > 100
    assert (both.relief.depth()[hidden] < alone.relief.depth()[hidden]).all()
    seen = both.codes == 6000
    np.testing.assert_array_equal(both.relief.depth()[seen], alone.relief.depth()[seen])


@pytest.mark.parametrize("paint", ["polygon", "surface", "cut out"])
def test_a_slanted_surface_is_where_the_rays_meet_it(camera, light, paint):
    corner, along, down = np.array([-2.0, -1.5, 4.0]), np.array([3.0, 0.5, 6.0]), np.array([0.2, 2.0, -0.7])
    canvas = Canvas(camera, light, Relief(camera))
    if paint == "polygon":
        outline = np.stack([corner, corner + along, corner + along + down, corner + down])
        canvas.polygon(outline, np.zeros(3), 9)
    else:
        alpha = np.full((64, 64), 255, np.uint8) if paint == "cut out" else None
        canvas.surface(Texture(np.zeros((64, 64, 3), np.uint8), alpha), corner, along, down, 9, 1.0)
    depth, inside = canvas.relief.depth(), 0
    for row, column in zip(*np.nonzero(canvas.codes == 9), strict=True):
        ray = [(column - camera.center_x) / camera.focal, (row - camera.center_y) / camera.focal, 1.0]
        a, b, z = np.linalg.solve(np.stack([along, down, -np.array(ray)], axis=1), -corner)
        if 0 <= a <= 1 and 0 <= b <= 1:
            assert depth[row, column] == pytest.approx(z, rel=1e-6)
            inside += 1
        assert 3.29 < depth[row, column] <= 10
    assert inside > 1000


def test_a_surface_seen_edge_on_keeps_between_its_ends(camera, light):
    canvas = Canvas(replace(camera, center_x=60.0), light, Relief(camera))
    canvas.polygon(np.array([[0.0, -1, 4], [0, -1, 9], [0, 1, 9], [0, 1, 4]]), np.zeros(3), 9)
    depth = canvas.relief.depth()[canvas.codes == 9]
    assert depth.size > 20
    assert ((depth >= 4) & (depth <= 9)).all()


def test_a_billboard_has_the_depth_of_its_foot(camera, light):
    alpha = np.zeros((64, 64), np.uint8)
    alpha[8:56, 20:44] = 255
    canvas = Canvas(camera, light, Relief(camera))
    canvas.billboard(Texture(np.zeros((64, 64, 3), np.uint8), alpha), np.array([0.5, 1.0, 6.1]), (2.0, 2.0), 9)
    painted = canvas.codes == 9
    assert painted.sum() > 200
    assert (canvas.relief.depth()[painted] == np.float32(6.1)).all()
    assert (canvas.relief.depth()[~painted] == np.inf).all()


def test_depth_is_of_one_frame_and_not_of_the_next():
    """Any order of access gives the same depth, and asking for it changes no pixel."""
    drive, other = StreetDrive(3, 30, SIZE), StreetDrive(3, 30, SIZE)
    before = drive[7].rgb
    last, middle = drive.depth(-1), drive.depth(7)
    np.testing.assert_array_equal(drive[7].rgb, before)
    np.testing.assert_array_equal(other.depth(7), middle)
    np.testing.assert_array_equal(other.depth(29), last)
    assert (middle != last).any()
    for ask in (drive.depth, drive.camera_matrix, drive.things):
        with pytest.raises(IndexError, match="30 frames"):
            ask(30)
