"""Images that encode their coordinates: R and the label are the column, G is the row, the instance is both."""

from dataclasses import replace

import numpy as np
import pytest

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.data.transforms import (
    adjust_gamma,
    augment,
    balanced_crop,
    flip,
    jitter_colors,
    random_crop,
    rescale,
)
from bisenetformer_ros.results import UNLABELED

HEIGHT, WIDTH = 40, 60
STEP = 4  # grey levels per pixel
ROW = 1000  # what a row adds to the instance


def coordinate_sample(height: int = HEIGHT, width: int = WIDTH) -> Sample:
    row, column = np.mgrid[:height, :width]
    rgb = np.stack([STEP * column, STEP * row, np.full_like(row, 9)], axis=2).astype(np.uint8)
    return Sample("grid", rgb, column.astype(np.uint8), (ROW * row + column).astype(np.int32))


def misalignment(sample: Sample) -> np.ndarray:
    """(N, 2) columns and rows by which labels and image differ, away from the border."""
    np.testing.assert_array_equal(sample.instance_map % ROW, sample.label_map)
    inner = (slice(3, -3), slice(3, -3))
    columns = sample.label_map[inner] - sample.rgb[inner][..., 0] / STEP
    rows = sample.instance_map[inner] // ROW - sample.rgb[inner][..., 1] / STEP
    return np.stack((columns, rows), axis=2).reshape(-1, 2)


@pytest.mark.parametrize("scale", [0.6, 0.83, 1.0, 1.3, 1.6, 2.0])
def test_labels_stay_on_their_pixels_when_scaled(scale: float) -> None:
    scaled = rescale(coordinate_sample(), scale)
    assert scaled.rgb.shape == (round(HEIGHT * scale), round(WIDTH * scale), 3)
    assert scaled.label_map.shape == scaled.instance_map.shape == scaled.rgb.shape[:2]
    assert (scaled.label_map.dtype, scaled.instance_map.dtype) == (np.uint8, np.int32)
    shift = misalignment(scaled)
    assert np.abs(shift).max() <= 0.5 + 2 / STEP  # half a pixel, and the rounding of grey levels
    assert np.abs(shift.mean(axis=0)).max() <= 0.2


def test_scaling_leaves_at_least_one_pixel() -> None:
    assert rescale(coordinate_sample(3, 4), 0.01).rgb.shape == (1, 1, 3)


def test_a_flip_mirrors_all_maps() -> None:
    flipped = flip(coordinate_sample())
    assert flipped.label_map[0].tolist() == list(range(WIDTH))[::-1]
    assert not misalignment(flipped).any()
    np.testing.assert_array_equal(flip(flipped).rgb, coordinate_sample().rgb)


def test_a_crop_is_a_window_of_all_maps() -> None:
    corners = set()
    for seed in range(30):
        crop = random_crop(coordinate_sample(), np.random.default_rng(seed), (20, 25))
        assert crop.rgb.shape == (20, 25, 3)
        assert not misalignment(crop).any()
        np.testing.assert_array_equal(np.diff(crop.label_map.astype(int), axis=1), 1)
        corners.add((int(crop.instance_map[0, 0]) // ROW, int(crop.label_map[0, 0])))
    tops, lefts = zip(*corners, strict=True)
    assert max(tops) > 15
    assert max(lefts) > 25
    assert max(tops) <= HEIGHT - 20
    assert max(lefts) <= WIDTH - 25


def test_padding_is_ignored() -> None:
    crop = random_crop(coordinate_sample(), np.random.default_rng(0), (64, 96))
    inside = np.zeros((64, 96), bool)
    inside[:HEIGHT, :WIDTH] = True
    np.testing.assert_array_equal(crop.label_map == 255, ~inside)
    assert not crop.instance_map[~inside].any()
    assert bool((crop.rgb[~inside] == 114).all())
    np.testing.assert_array_equal(crop.rgb[:HEIGHT, :WIDTH], coordinate_sample().rgb)


def test_a_crop_prefers_more_than_one_class() -> None:
    label_map = np.zeros((32, 320), np.uint8)
    label_map[:, 160:] = 1
    sample = Sample("halves", np.zeros((32, 320, 3), np.uint8), label_map, np.zeros((32, 320), np.int32))
    crops = [random_crop(sample, np.random.default_rng(seed), (32, 64)) for seed in range(100)]
    mixed = sum(0.25 < crop.label_map.mean() < 0.75 for crop in crops)
    assert mixed > 60  # one window in eight is, ten tries find one in 7 of 10


def test_colour_jitter_keeps_shape_and_input() -> None:
    rgb = coordinate_sample().rgb
    before = rgb.copy()
    results = [jitter_colors(rgb, np.random.default_rng(seed)) for seed in range(20)]
    np.testing.assert_array_equal(rgb, before)
    assert all(result.shape == rgb.shape and result.dtype == np.uint8 for result in results)
    assert len({result.tobytes() for result in results}) > 10


def test_grey_stays_grey() -> None:
    grey = np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(20):
        result = jitter_colors(grey, np.random.default_rng(seed)).astype(int)
        assert np.ptp(result, axis=2).max() <= 1


def test_an_augmented_sample_depends_on_its_seed_alone() -> None:
    sample = coordinate_sample()
    one, again, other = (augment(sample, np.random.default_rng(seed), (32, 32), (0.5, 2.0)) for seed in (1, 1, 2))
    for name in ("rgb", "label_map", "instance_map"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert one.label_map.shape == (32, 32)
    assert not np.array_equal(one.label_map, other.label_map)


def test_half_of_the_samples_are_mirrored() -> None:
    sample = coordinate_sample()
    mirrored = 0
    for seed in range(200):
        label_map = augment(sample, np.random.default_rng(seed), (32, 32), (1.0, 1.0)).label_map
        mirrored += bool(label_map[0, 0] > label_map[0, -1])
    assert 75 <= mirrored <= 125


@pytest.mark.parametrize("crop_size", [(8, 8), (20, 25), (64, 96)])
def test_a_balanced_crop_shows_the_rare_class(crop_size: tuple[int, int]) -> None:
    """One pixel of 2400 has the second class: half of the crops are drawn around it."""
    sample = coordinate_sample()
    label_map = np.zeros_like(sample.label_map)
    label_map[31, 52] = 7
    sample = replace(sample, label_map=label_map)
    shown = 0
    for seed in range(200):
        crop = balanced_crop(sample, np.random.default_rng(seed), crop_size)
        assert crop.rgb.shape == (*crop_size, 3)
        inside = crop.label_map != UNLABELED
        np.testing.assert_array_equal(crop.rgb[inside][:, 1] // STEP, crop.instance_map[inside] // ROW)
        shown += 7 in crop.label_map
    assert shown >= 80


def test_a_balanced_crop_of_an_unlabelled_image_is_any_crop() -> None:
    sample = coordinate_sample()
    sample = replace(sample, label_map=np.full_like(sample.label_map, UNLABELED))
    assert balanced_crop(sample, np.random.default_rng(0), (20, 25)).rgb.shape == (20, 25, 3)


def test_gamma_keeps_black_and_white_and_darkens_between() -> None:
    levels = np.repeat(np.array([0, 51, 128, 255], np.uint8), 3).reshape(1, 4, 3)
    np.testing.assert_array_equal(adjust_gamma(levels, 2.0)[0, :, 0], [0, 10, 64, 255])  # 51² / 255 = 10.2
    np.testing.assert_array_equal(adjust_gamma(levels, 1.0), levels)
