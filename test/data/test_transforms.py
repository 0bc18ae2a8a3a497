"""Images that encode their coordinates: R and the label are the column, G is the row, the instance is both."""

import colorsys
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.data.transforms import (
    Augmentation,
    adjust_gamma,
    augment,
    balanced_crop,
    blur,
    flip,
    jitter_colors,
    random_crop,
)
from bisenetformer_ros.results import UNLABELED

HEIGHT, WIDTH = 40, 60
STEP = 4  # grey levels per pixel
ROW = 1000  # what a row adds to the instance
SETTINGS = Augmentation(
    crop_size=(32, 32),
    scale_range=(0.5, 2.0),
    scale_sampling="log_uniform",
    max_class_share=0.75,
    balanced_share=0.0,
    color_strength=1.0,
    hue_shift=18.0,
    gamma_range=(1.0, 1.0),
    blur_range=(0.0, 0.0),
)
UNCHANGED = replace(SETTINGS, scale_range=(1.0, 1.0), max_class_share=1.0, color_strength=0.0, hue_shift=0.0)


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
    size = (round(HEIGHT * scale), round(WIDTH * scale))
    scaled = random_crop(coordinate_sample(), np.random.default_rng(0), size, scale=scale)
    assert scaled.rgb.shape == (*size, 3)
    assert scaled.label_map.shape == scaled.instance_map.shape == scaled.rgb.shape[:2]
    assert (scaled.label_map.dtype, scaled.instance_map.dtype) == (np.uint8, np.int32)
    shift = misalignment(scaled)
    assert np.abs(shift).max() <= 0.5 + 2 / STEP  # half a pixel, and the rounding of grey levels
    assert np.abs(shift.mean(axis=0)).max() <= 0.2


def test_scaling_leaves_at_least_one_pixel() -> None:
    crop = random_crop(coordinate_sample(3, 4), np.random.default_rng(0), (2, 2), scale=0.01)
    assert (crop.label_map != UNLABELED).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.4, 2.0])
@pytest.mark.parametrize("crop", [random_crop, balanced_crop])
def test_a_scaled_crop_shows_what_the_scaled_image_would(crop: Callable, scale: float) -> None:
    """Columns and rows advance by 1 / scale per pixel, within the rounding of the window; nothing is padded."""
    seen = []
    for seed in range(20):
        window = crop(coordinate_sample(60, 60), np.random.default_rng(seed), (28, 28), scale=scale)
        assert np.abs(misalignment(window)).max() <= 0.5 / min(scale, 1) + 2 / STEP
        for values in (window.label_map[0].astype(int), window.instance_map[:, 0] // ROW):
            assert values[-1] - values[0] == pytest.approx(27 / scale, abs=1.5)
        seen.append((int(window.label_map[0, 0]), int(window.instance_map[0, 0]) // ROW))
    assert np.ptp(seen, axis=0).min() > 0 if scale > 0.5 else len(set(seen)) > 1


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

    def mixed(max_class_share: float) -> int:
        """Of 100 crops."""
        crops = [random_crop(sample, np.random.default_rng(seed), (32, 64), max_class_share) for seed in range(100)]
        return sum(0.25 < crop.label_map.mean() < 0.75 for crop in crops)

    assert mixed(0.75) > 60  # one window in eight is, ten tries find one in 7 of 10
    assert mixed(1.0) < 30


def test_colour_jitter_keeps_shape_and_input() -> None:
    rgb = coordinate_sample().rgb
    before = rgb.copy()
    results = [jitter_colors(rgb, np.random.default_rng(seed)) for seed in range(20)]
    np.testing.assert_array_equal(rgb, before)
    assert all(result.shape == rgb.shape and result.dtype == np.uint8 for result in results)
    assert len({result.tobytes() for result in results}) > 10


def jittered_pixel_by_pixel(rgb: np.ndarray, rng: np.random.Generator, strength: float, hue_shift: float) -> np.ndarray:
    """The definition, on whole images in single precision."""
    factors = (1 - 0.5 * strength, 1 + 0.5 * strength)
    image = rgb.astype(np.float32)
    if rng.random() < 0.5:
        image += rng.uniform(-32 * strength, 32 * strength)
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        image *= rng.uniform(*factors)
    hsv = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV).astype(np.float32)
    if rng.random() < 0.5:
        hsv[..., 1] *= rng.uniform(*factors)
    if rng.random() < 0.5:
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-hue_shift / 2, hue_shift / 2)) % 180
    image = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    if not contrast_first and rng.random() < 0.5:
        image *= rng.uniform(*factors)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("strength", "hue_shift"), [(1.0, 18.0), (1.7, 90.0)])
def test_the_tables_of_the_colour_jitter_are_exact(strength: float, hue_shift: float) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for seed in range(40):
        expected = jittered_pixel_by_pixel(rgb, np.random.default_rng(seed), strength, hue_shift)
        np.testing.assert_array_equal(jitter_colors(rgb, np.random.default_rng(seed), strength, hue_shift), expected)


def test_grey_stays_grey() -> None:
    grey = np.repeat(np.arange(0, 250, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(20):
        result = jitter_colors(grey, np.random.default_rng(seed)).astype(int)
        assert np.ptp(result, axis=2).max() <= 1


def test_an_augmented_sample_depends_on_its_seed_alone() -> None:
    sample = coordinate_sample()
    settings = replace(SETTINGS, blur_range=(0.0, 2.0))
    one, again, other = (augment(sample, np.random.default_rng(seed), settings) for seed in (1, 1, 2))
    for name in ("rgb", "label_map", "instance_map"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert one.label_map.shape == (32, 32)
    assert not np.array_equal(one.label_map, other.label_map)


def test_half_of_the_samples_are_mirrored() -> None:
    sample = coordinate_sample()
    mirrored = 0
    for seed in range(200):
        label_map = augment(sample, np.random.default_rng(seed), UNCHANGED).label_map
        mirrored += bool(label_map[0, 0] > label_map[0, -1])
    assert 75 <= mirrored <= 125


@pytest.mark.parametrize(
    ("sampling", "mean", "share_below_1"),
    [("uniform", 1.25, 1 / 3), ("log_uniform", 1.5 / np.log(4), 1 / 2)],  # of 0.5 to 2
)
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_scales_have_their_distribution(sampling: str, mean: float, share_below_1: float, factor: float) -> None:
    """The scale is the size of the image over that of the sample, read from the area that is not padded."""
    settings = replace(UNCHANGED, crop_size=(96, 96), scale_range=(0.5, 2.0), scale_sampling=sampling)
    scales = np.empty(1500)
    for seed in range(len(scales)):
        crop = augment(coordinate_sample(40, 40), np.random.default_rng(seed), settings, factor)
        scales[seed] = np.sqrt((crop.label_map != UNLABELED).sum()) / 40 / factor
    assert scales.min() == pytest.approx(0.5, abs=0.03)
    assert scales.max() == pytest.approx(2.0, abs=0.03)
    assert scales.mean() == pytest.approx(mean, abs=0.05)  # four standard errors
    assert (scales < 0.999).mean() == pytest.approx(share_below_1, abs=0.06)


def jittered(rgb: tuple[int, int, int], strength: float, hue_shift: float) -> np.ndarray:
    """The (500, 3) colours that one becomes."""
    image = np.array(rgb, np.uint8).reshape(1, 1, 3)
    return np.array(
        [jitter_colors(image, np.random.default_rng(seed), strength, hue_shift)[0, 0] for seed in range(500)]
    )


@pytest.mark.parametrize("hue_shift", [0.0, 18.0, 36.0])
def test_the_hue_turns_by_as_many_degrees(hue_shift: float) -> None:
    """Red, whose hue is 0, by colorsys."""
    hues = np.array([360 * colorsys.rgb_to_hsv(*color)[0] for color in jittered((200, 40, 40), 0.0, hue_shift) / 255])
    turned = np.minimum(hues, 360 - hues)
    assert turned.max() <= hue_shift + 2  # OpenCV's hues are even numbers
    assert turned.max() >= 0.9 * hue_shift
    assert (turned > 2).sum() <= 300  # half of the images keep theirs


@pytest.mark.parametrize("strength", [0.0, 1.0, 1.5])
def test_brightness_and_contrast_change_by_the_strength(strength: float) -> None:
    """A grey has no hue and no saturation: 100 ± 32 and times 1 ± 0.5, for strength 1."""
    grey = jittered((100, 100, 100), strength, 18.0)[:, 0].astype(int)
    least, most = ((100 + sign * 32 * strength) * (1 + sign * 0.5 * strength) for sign in (-1, 1))
    assert (grey.min() >= least - 2, grey.max() <= most + 2) == (True, True)
    assert (grey.min() <= 0.5 * (100 + least), grey.max() >= 0.5 * (100 + min(most, 255))) == (True, True)
    assert (np.abs(grey - 100) <= 1).mean() > 0.15


@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.5, 3.0])
def test_a_blurred_point_is_the_gaussian(sigma: float) -> None:
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    blurred = blur(point, sigma).astype(float)
    if sigma == 0:
        np.testing.assert_array_equal(blurred, point)
        return
    row, column = np.mgrid[-20:21, -20:21]
    expected = np.exp(-(row**2 + column**2) / (2 * sigma**2))
    np.testing.assert_allclose(blurred[..., 0], 255 * expected / expected.sum(), atol=1.5)


def test_the_blur_is_drawn_from_its_range() -> None:
    """The variance of grey noise falls with sigma, so that it orders the crops."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 1)).astype(np.uint8).repeat(3, axis=2)
    sample = Sample("noise", noise, np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.int32))

    def variances(blur_range: tuple[float, float]) -> list[float]:
        settings = replace(UNCHANGED, crop_size=(64, 64), blur_range=blur_range)
        return [float(augment(sample, np.random.default_rng(seed), settings).rgb.var()) for seed in range(40)]

    sharp, soft, mixed = variances((0.0, 0.0)), variances((1.0, 1.0)), variances((0.0, 1.0))
    assert sharp == pytest.approx([float(noise.var())] * 40)
    assert soft == pytest.approx([float(blur(noise, 1.0).var())] * 40, rel=0.01)
    assert min(mixed) < 1.3 * min(soft)
    assert max(mixed) > 0.9 * max(sharp)


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
