"""Tracks over frames: what is drawn in which tile, found by the colours of pixels."""

import numpy as np

from bisenetformer_ros.images.track_grid import COLUMNS, TILE_WIDTH, track_grid
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

LABELS = LabelMap.load("camvid11")
ROAD, CAR = (next(label.id for label in LABELS if label.name == name) for name in ("road", "car"))


def frame(column: int, id_: int = 5, height: int = 200) -> tuple[str, np.ndarray, SegmentationResult]:
    """A black image, 320 pixels wide, with a car of 40x40 pixels on a road."""
    panoptic = np.full((height, 320), 99, np.uint16)
    panoptic[80:120, column : column + 40] = id_
    car = Segment(id_, CAR, "car", True, 1, 1600, (column, 80, column + 40, 120), (column + 19.5, 99.5))
    classes = np.where(panoptic == 99, ROAD, CAR).astype(np.uint8)
    result = SegmentationResult(classes, classes, panoptic, (car,))
    return "", np.zeros((height, 320, 3), np.uint8), result


def tiles(picture: np.ndarray, count: int, height: int) -> list[np.ndarray]:
    """The tiles of a grid, row by row."""
    places = (divmod(number, COLUMNS) for number in range(count))
    return [
        picture[row * (height + 4) :, column * (TILE_WIDTH + 4) :][:height, :TILE_WIDTH].astype(int)
        for row, column in places
    ]


def is_blue(tile: np.ndarray) -> np.ndarray:
    """Where the car is: its colour is blue, the road's is purple."""
    return tile[..., 2] > 2 * tile[..., 0]


def test_frames_follow_from_left_to_right_and_are_cut_to_the_things() -> None:
    """Cars reach from row 80 to 120 of 200; 5 % of the height stay above and below."""
    columns = [10, 60, 110, 160, 210, 260]
    picture = track_grid([frame(column) for column in columns], LABELS)
    assert picture.shape[1] == COLUMNS * TILE_WIDTH + (COLUMNS - 1) * 4
    for column, tile in zip(columns, tiles(picture, 6, 60), strict=True):
        rows, places = np.nonzero(is_blue(tile))
        assert (rows.min() - 1, rows.max() + 1) == (10, 49), "inside of a light outline"
        assert abs(places.min() - column) <= 1
        assert abs(places.max() - column - 39) <= 1
    assert (picture[64:124, 2 * (TILE_WIDTH + 4) :] == 255).all(), "no frames are left"


def test_an_id_has_one_shade_and_is_written_on_its_thing() -> None:
    same, again, other = tiles(track_grid([frame(10), frame(200), frame(10, id_=6)], LABELS), 3, 60)

    def inside(tile: np.ndarray, column: int) -> np.ndarray:
        return tile[13:47, column + 3 : column + 37]

    np.testing.assert_array_equal(inside(same, 10), inside(again, 200))
    corner = (2, 2)
    assert tuple(inside(same, 10)[corner]) != tuple(inside(other, 10)[corner])
    is_white = inside(same, 10).min(axis=-1) > 200
    assert is_white.any()
    assert abs(np.nonzero(is_white)[0].mean() - 16.5) < 3
    assert abs(np.nonzero(is_white)[1].mean() - 16.5) < 3


def test_frames_of_another_size_are_drawn_in_that_of_the_first() -> None:
    first, second = tiles(track_grid([frame(10), frame(10, height=400)], LABELS), 2, 60 + 20)
    assert is_blue(first).any()
    assert is_blue(second).any()


def test_without_things_whole_frames_are_shown() -> None:
    _, rgb, result = frame(10)
    empty = SegmentationResult(np.full_like(result.label_map, ROAD), result.confidence, result.panoptic_map * 0)
    (tile,) = tiles(track_grid([("0.0 s", rgb, empty)], LABELS), 1, 200)
    assert not is_blue(tile).any()
    assert (tile[5, 5] != 255).all()
    assert (tile[180:] > 200).all(axis=-1).any(), "the caption"
