"""Labels of the drives compared with geometry recomputed here with plain pinhole formulas."""

import numpy as np
import pytest

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.streets import StreetDrive
from bisenetformer_ros.streets.camera import StreetCamera
from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.layout import PERIOD_M, random_layout
from bisenetformer_ros.streets.relief import Relief
from bisenetformer_ros.streets.textures import Texture, generator
from bisenetformer_ros.streets.vehicles import Vehicle

SIZE = (180, 240)
SEEDS = (1, 4, 12)
ID = {label.name: label.id for label in LabelMap.load("camvid11").labels}


@pytest.fixture(scope="module")
def drives():
    return [StreetDrive(seed, num_frames=40, size=SIZE) for seed in SEEDS]


@pytest.fixture
def camera():
    return StreetCamera(
        size=(90, 120), focal=110.0, center_x=60.0, center_y=40.0, height=1.4, lateral=0.0, station=0.0, curvature=0.0
    )


def pinhole(camera, u, y, s):
    z = s - camera.station
    x = u - camera.lateral + camera.curvature * z**2 / 2
    return camera.center_x + camera.focal * x / z, camera.center_y + camera.focal * (camera.height - y) / z


def test_things_lie_inside_their_projected_boxes(drives):
    checked = 0
    for drive in drives:
        for index in (0, 17, 39):
            camera, items = drive.scene(index)
            instance_map = drive[index].instance_map
            for item in items:
                rows, columns = np.nonzero(instance_map == item.code)
                if item.code == 0 or len(rows) == 0 or item.s < camera.station + 1:
                    continue
                half = item.model.width / 2
                corners = [
                    pinhole(camera, item.u + across, up, along)
                    for across in (-half, half)
                    for up in (0, item.model.height)
                    for along in (item.s, item.s + item.model.length)
                ]
                # Bumper and plate stand out by 5 cm; polygons include the pixels their edges cross.
                margin = 1.5 + 0.06 * camera.focal / (item.s - camera.station)
                (left, top), (right, bottom) = np.min(corners, axis=0) - margin, np.max(corners, axis=0) + margin
                assert left <= columns.min() <= columns.max() <= right
                assert top <= rows.min() <= rows.max() <= bottom
                checked += 1
    assert checked > 50


def test_no_thing_shows_through_a_nearer_vehicle(drives):
    checked = 0
    for drive in drives:
        for index in (5, 25):
            camera, items = drive.scene(index)
            instance_map = drive[index].instance_map
            distance = {item.code: item.s for item in items if item.code}
            for item in items:
                if isinstance(item.model, Vehicle) and item.s > camera.station + 1:
                    x, y = pinhole(camera, item.u, 0.6, item.s)
                    if 0 <= x < SIZE[1] - 1 and 0 <= y < SIZE[0] - 1:
                        seen = int(instance_map[round(y), round(x)])
                        assert seen == 0 or distance[seen] <= item.s
                        checked += 1
    assert checked > 20


def test_the_nearer_of_two_vehicles_hides_the_other(camera, light):
    near, far = (Item(Vehicle(generator(7)), 0.3, s, code) for s, code in ((9.0, 5000), (16.0, 6000)))
    canvas = Canvas(camera, light)
    for item in sorted([near, far], key=lambda item: item.depth_order(0.0), reverse=True):
        item.model.draw(canvas, item)
    x, y = pinhole(camera, 0.3, 0.7, 9.0)
    assert canvas.codes[int(y), int(x)] == 5000
    far_alone = Canvas(camera, light)
    far.model.draw(far_alone, far)
    assert far_alone.codes[int(y), int(x)] == 6000


def test_ground_labels_follow_the_cross_section(drives):
    for seed, drive in zip(SEEDS, drives, strict=True):
        layout = random_layout(seed, crowd=1.0)
        camera, _ = drive.scene(11)
        label_map = drive[11].label_map
        for row in range(SIZE[0] - 40, SIZE[0]):
            z = camera.focal * camera.height / (row - camera.center_y)
            u = camera.lateral + (np.arange(SIZE[1]) - camera.center_x) * z / camera.focal - camera.curvature * z**2 / 2
            along = (camera.station + z) % PERIOD_M
            in_side_street = any(start - 0.1 < along < end + 0.1 for start, end in layout.junctions)
            for side in layout.sides:
                distance = u * side.sign
                on_road = distance < side.curb - 0.05
                on_pavement = (distance > side.curb + 0.05) & (distance < side.curb + side.pavement - 0.05)
                mine = distance >= 0
                assert not (label_map[row, mine & on_road] == ID["pavement"]).any()
                if not in_side_street:
                    assert not (label_map[row, mine & on_pavement] == ID["road"]).any()


def test_the_sky_ends_at_the_horizon(drives):
    for drive in drives:
        camera, _ = drive.scene(3)
        rows, _ = np.nonzero(drive[3].label_map == ID["sky"])
        assert len(rows) > 0
        assert rows.max() <= camera.center_y


def test_colours_labels_and_depth_are_set_by_the_same_pixels(camera, light):
    """Also where a shape is clipped by the camera plane or the border of the picture."""
    alpha = np.zeros((64, 64), np.uint8)
    alpha[8:56, 20:44] = 255
    white = np.full((64, 64, 3), 255, np.uint8)
    whole, cut_out = Texture(white), Texture(white, alpha)
    right, down, ahead = np.eye(3) * (3.0, 2.0, 30.0)
    for draw in (
        lambda canvas, corner: canvas.polygon(np.stack([corner, corner + ahead, corner + down]), white[0, 0], 9),
        lambda canvas, corner: canvas.surface(whole, corner, ahead + right, down, 9, 1.0),
        lambda canvas, corner: canvas.surface(cut_out, corner, ahead, down, 9, 1.0),
        lambda canvas, corner: canvas.billboard(cut_out, corner + ahead / 15 + down / 2, (1.0, 1.5), 9),
    ):
        shares = []
        for corner in ([-1.0, -1.0, 4.0], [-2.0, -0.5, 0.2], [1.0, -2.0, 2.0]):
            canvas = Canvas(camera, light, Relief(camera))
            draw(canvas, np.array(corner))
            np.testing.assert_array_equal(canvas.rgb.any(axis=2), canvas.codes == 9)
            np.testing.assert_array_equal(np.isfinite(canvas.relief.depth()), canvas.codes == 9)
            shares.append((canvas.codes == 9).mean())
        assert 0 < max(shares) < 1
