"""Every encoding against pixels worked out by hand or by the formula in its definition, without OpenCV."""

import array

import numpy as np
import pytest

pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")

from sensor_msgs.msg import Image

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.raw import (
    ENCODINGS,
    BadFrameError,
    DecodingReport,
    decode_depth,
    decode_image,
    decode_values,
)

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (77, 77, 77)
PICTURE = np.array([[RED, GREEN, BLUE], [GREY, RED, (1, 2, 3)]], np.uint8)  # 2 rows, 3 columns


def image(
    encoding: str, rows: np.ndarray, width: int, height: int, padding: int = 0, big_endian: bool = False
) -> Image:
    """A message of `rows` (one line of bytes each), every line followed by `padding` bytes of rubbish."""
    padded = np.pad(rows.astype(np.uint8), ((0, 0), (0, padding)), constant_values=0xAB)
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=padded.shape[1],
        data=array.array("B", padded.tobytes()),
    )


def yuv_to_rgb(y: int, u: int, v: int) -> list[float]:
    """ITU-R BT.601, studio range, as video cameras send it."""
    luma = 255 / 219 * (y - 16)
    return [
        float(np.clip(channel, 0, 255))
        for channel in (
            luma + 255 / 224 * 1.402 * (v - 128),
            luma - 255 / 224 * (0.344136 * (u - 128) + 0.714136 * (v - 128)),
            luma + 255 / 224 * 1.772 * (u - 128),
        )
    ]


@pytest.mark.parametrize("padding", [0, 1, 5])
@pytest.mark.parametrize(
    ("encoding", "order"), [("rgb8", "RGB"), ("bgr8", "BGR"), ("rgba8", "RGBA"), ("bgra8", "BGRA")]
)
def test_colour_encodings_with_row_padding(encoding, order, padding):
    with_alpha = np.dstack([PICTURE, np.full((2, 3), 9, np.uint8)])
    channels = with_alpha[..., ["RGBA".index(letter) for letter in order]]
    message = image(encoding, channels.reshape(2, -1), width=3, height=2, padding=padding)
    np.testing.assert_array_equal(decode_image(message), PICTURE)


def test_rgb8_is_not_copied():
    message = image("rgb8", PICTURE.reshape(2, -1), width=3, height=2, padding=2)
    assert np.shares_memory(decode_image(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("padding", [0, 3])
def test_mono8_becomes_grey(padding):
    message = image("mono8", np.array([[0, 128, 255]]), width=3, height=1, padding=padding)
    assert decode_image(message).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_mono16_is_scaled_to_eight_bits_in_both_byte_orders(big_endian, padding):
    # 65535 / 255 = 257; 128 and 129 lie on both sides of the rounding limit of the first step.
    values = np.array([[0, 128, 129, 257, 256 * 200, 65535], [1, 2, 3, 4, 5, 32768]], ">u2" if big_endian else "<u2")
    rows = values.view(np.uint8).reshape(2, -1)
    message = image("mono16", rows, width=6, height=2, padding=padding, big_endian=big_endian)
    expected = [[0, 0, 1, 1, 199, 255], [0, 0, 0, 0, 0, 128]]
    assert decode_image(message)[..., 0].tolist() == expected
    assert decode_image(message).shape == (2, 6, 3)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(
    ("encoding", "order"), [("rgb16", "RGB"), ("bgr16", "BGR"), ("rgba16", "RGBA"), ("bgra16", "BGRA")]
)
def test_colours_of_16_bits_with_row_padding(encoding, order, padding, big_endian):
    with_alpha = np.dstack([PICTURE, np.full((2, 3), 9)])[..., ["RGBA".index(letter) for letter in order]]
    rows = (with_alpha * 257).astype(">u2" if big_endian else "<u2", order="C")
    rows = rows.view(np.uint8).reshape(2, -1)
    message = image(encoding, rows, width=3, height=2, padding=padding, big_endian=big_endian)
    np.testing.assert_array_equal(decode_image(message), PICTURE)


@pytest.mark.parametrize(
    ("bit_depth", "values", "expected"),
    [
        # 1023 / 255 = 4.012, 4095 / 255 = 16.06, 16383 / 255 = 64.25: half of it rounds to 0, one more to 1.
        (10, [0, 2, 3, 512, 1023, 1024, 65535], [0, 0, 1, 128, 255, 255, 255]),
        (12, [0, 8, 9, 2048, 4095, 4096, 65535], [0, 0, 1, 128, 255, 255, 255]),
        (14, [0, 32, 33, 8192, 16383, 16384, 65535], [0, 0, 1, 128, 255, 255, 255]),
        (16, [0, 128, 129, 32768, 65535], [0, 0, 1, 128, 255]),
    ],
)
def test_bit_depth_is_scaled_to_eight_bits(bit_depth, values, expected):
    rows = np.array([values], "<u2").view(np.uint8)
    message = image("mono16", rows, width=len(values), height=1)
    assert decode_image(message, bit_depth)[0, :, 1].tolist() == expected


def test_bit_depth_has_no_effect_on_8_bits():
    message = image("bgr8", PICTURE[..., ::-1].reshape(2, -1), width=3, height=2)
    np.testing.assert_array_equal(decode_image(message, bit_depth=10), PICTURE)


@pytest.mark.parametrize(("encoding", "assumed"), [("8UC1", "mono8"), ("8UC3", "bgr8"), ("8UC4", "bgra8")])
def test_encodings_without_colours_are_assumed_and_reported(encoding, assumed):
    channels = int(encoding[-1])
    rows = np.dstack([PICTURE[..., ::-1], np.full((2, 3), 9)])[..., :channels].reshape(2, -1)
    report = DecodingReport()
    decoded = decode_image(image(encoding, rows, width=3, height=2, padding=2), report=report)
    expected = np.repeat(PICTURE[..., 2:], 3, axis=2) if channels == 1 else PICTURE
    np.testing.assert_array_equal(decoded, expected, err_msg=assumed)
    assert report.assumed == {encoding}
    decode_image(image("rgb8", PICTURE.reshape(2, -1), width=3, height=2), report=report)
    assert report.assumed == {encoding}
    assert report.fitting_bit_depth is None


def test_report_of_the_bits_in_use():
    report = DecodingReport()
    for values, used, fitting in [([0, 0], 0, None), ([3, 500], 9, 10), ([4095, 7], 12, 12), ([0, 1], 12, 12)]:
        decode_image(image("mono16", np.array([values], "<u2").view(np.uint8), width=2, height=1), report=report)
        assert (report.used_bits, report.fitting_bit_depth) == (used, fitting)
    bayer = np.full((4, 4), 0x8000, ">u2").view(np.uint8)
    decode_image(image("bayer_rggb16", bayer, width=4, height=4, big_endian=True), report=report)
    assert (report.used_bits, report.fitting_bit_depth) == (16, 16)


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "UYVY"), ("uyvy", "UYVY"), ("yuv422_yuy2", "YUYV"), ("yuyv", "YUYV")]
)
@pytest.mark.parametrize("padding", [0, 4])
def test_yuv422_shares_its_chroma_between_two_pixels(encoding, order, padding):
    first = {"Y": [60, 200], "U": 90, "V": 190}
    second = {"Y": [120, 30], "U": 160, "V": 70}
    rows = [byte for pair in (first, second) for byte in pack_pair(pair, order)]
    message = image(encoding, np.array([rows, rows]), width=4, height=2, padding=padding)
    expected = [yuv_to_rgb(y, pair["U"], pair["V"]) for pair in (first, second) for y in pair["Y"]]
    np.testing.assert_allclose(decode_image(message), [expected, expected], atol=1.5)


def pack_pair(pair: dict, order: str) -> list[int]:
    luma = iter(pair["Y"])
    return [next(luma) if letter == "Y" else pair[letter] for letter in order]


@pytest.mark.parametrize(("encoding", "tail"), [("yuv422", [160, 120]), ("yuv422_yuy2", [120, 160])])
def test_last_column_of_odd_yuv422_uses_its_neighbours_v(encoding, tail):
    order = "UYVY" if encoding == "yuv422" else "YUYV"
    row = pack_pair({"Y": [60, 200], "U": 90, "V": 190}, order) + tail
    decoded = decode_image(image(encoding, np.array([row]), width=3, height=1))
    expected = [yuv_to_rgb(60, 90, 190), yuv_to_rgb(200, 90, 190), yuv_to_rgb(120, 160, 190)]
    np.testing.assert_allclose(decoded, [expected], atol=1.5)


def test_single_column_of_yuv422_has_no_v():
    decoded = decode_image(image("yuv422", np.array([[90, 60]]), width=1, height=1))
    np.testing.assert_allclose(decoded, [[yuv_to_rgb(60, 90, 128)]], atol=1.5)


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
def test_semi_planar_shares_its_chroma_between_four_pixels(encoding, padding):
    luma = np.array([[50, 60, 70, 80], [90, 100, 110, 120]])
    chroma = np.array([[(90, 190), (160, 70)]])  # (U, V) of the left and of the right half
    stored = chroma if encoding == "nv12" else chroma[..., ::-1]
    message = image(encoding, np.vstack([luma, stored.reshape(1, -1)]), width=4, height=2, padding=padding)
    expected = [[yuv_to_rgb(luma[y, x], *chroma[0, x // 2]) for x in range(4)] for y in range(2)]
    np.testing.assert_allclose(decode_image(message), expected, atol=1.5)


@pytest.mark.parametrize(
    ("rows", "step", "pairs"),
    [(3 + 2, 4, "all"), (3 + 2, 3, "no last column"), (3 + 1, 4, "no last row"), (3 + 1, 3, "neither")],
)
def test_odd_nv12_repeats_missing_chroma(rows, step, pairs):
    lines = np.full((rows, step), 128)
    lines[:3, :3] = [[50, 60, 70], [80, 90, 100], [110, 120, 130]]
    lines[3:, :2] = [90, 190]  # the left pair; a second one, where it fits, and a second row are the same
    if step == 4:
        lines[3:, 2:4] = [90, 190]
    decoded = decode_image(image("nv12", lines, width=3, height=3))
    expected = [[yuv_to_rgb(lines[y, x], 90, 190) for x in range(3)] for y in range(3)]
    np.testing.assert_allclose(decoded, expected, atol=1.5, err_msg=pairs)


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("size", [(2, 4), (3, 5), (1, 1)])
def test_nv24_has_chroma_of_its_own_for_every_pixel(size, padding):
    height, width = size
    y, u, v = np.random.default_rng(1).integers(60, 196, (3, height, width))
    step = width + padding
    lines = np.full((3 * height, step), 0xAB)
    lines[:height, :width] = y
    lines[height:] = np.pad(np.dstack([u, v]).reshape(height, -1), ((0, 0), (0, 2 * padding))).reshape(-1, step)
    expected = [[yuv_to_rgb(y[r, c], u[r, c], v[r, c]) for c in range(width)] for r in range(height)]
    decoded = decode_image(image("nv24", lines[:, :step], width=width, height=height))
    assert decoded.flags.c_contiguous
    np.testing.assert_allclose(decoded, expected, atol=1.5)


@pytest.mark.parametrize(("step", "chroma_step"), [(4, 2), (6, 3), (5, 3), (5, 2)])
def test_i420_has_a_plane_per_channel(step, chroma_step):
    luma = np.array([[50, 60, 70, 80], [90, 100, 110, 120]])
    u, v = [90, 160], [190, 70]  # of the left and of the right half
    planes = [np.pad(luma, ((0, 0), (0, step - 4))), *(np.pad(plane, (0, chroma_step - 2)) for plane in (u, v))]
    data = np.concatenate([plane.ravel() for plane in planes]).astype(np.uint8).tobytes()
    message = Image(height=2, width=4, encoding="i420", step=step, data=data)
    expected = [[yuv_to_rgb(luma[y, x], u[x // 2], v[x // 2]) for x in range(4)] for y in range(2)]
    np.testing.assert_allclose(decode_image(message), expected, atol=1.5)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (1, 2), (2, 1), (1, 1)])
def test_odd_i420_repeats_missing_chroma(rows, columns):
    luma = [[50, 60, 70], [80, 90, 100], [110, 120, 130]]
    data = bytes(np.ravel(luma).tolist() + [90] * rows * columns + [190] * rows * columns)
    message = Image(height=3, width=3, encoding="i420", step=3, data=data)
    expected = [[yuv_to_rgb(luma[y][x], 90, 190) for x in range(3)] for y in range(3)]
    np.testing.assert_allclose(decode_image(message), expected, atol=1.5)


@pytest.mark.parametrize("bit_depth", [12, 16])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_mosaic_of_16_bits(pattern, padding, big_endian, bit_depth):
    colour = {"r": 204, "g": 102, "b": 51}  # 4, 2 and 1 fifths of 255, and of the other ranges
    tile = np.array([[colour[letter] for letter in pattern[:2]], [colour[letter] for letter in pattern[2:]]])
    values = np.tile(tile, (4, 4))[:5, :7] / 255 * (2**bit_depth - 1)
    rows = values.round().astype(">u2" if big_endian else "<u2").view(np.uint8)
    message = image(f"bayer_{pattern}16", rows, width=7, height=5, padding=padding, big_endian=big_endian)
    np.testing.assert_array_equal(decode_image(message, bit_depth), np.broadcast_to([204, 102, 51], (5, 7, 3)))


@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("padding", [0, 3])
def test_bayer_mosaic_of_one_colour(pattern, size, padding):
    colour = {"r": 200, "g": 90, "b": 30}
    tile = np.array([[colour[letter] for letter in pattern[:2]], [colour[letter] for letter in pattern[2:]]])
    height, width = size
    mosaic = np.tile(tile, (4, 4))[:height, :width]
    decoded = decode_image(image(f"bayer_{pattern}8", mosaic, width=width, height=height, padding=padding))
    np.testing.assert_array_equal(decoded, np.broadcast_to([200, 90, 30], (height, width, 3)))


BAD = {
    "unknown_encoding": [
        Image(height=1, width=1, encoding="32FC1", step=4, data=bytes(4)),
        Image(height=1, width=1, encoding="16UC1", step=2, data=bytes(2)),
        Image(height=1, width=1, encoding="32FC3", step=12, data=bytes(12)),
        Image(height=1, width=1, encoding="", step=3, data=bytes(3)),
        Image(height=1, width=1, encoding="RGB8", step=3, data=bytes(3)),
    ],
    "zero_size": [
        Image(height=0, width=4, encoding="rgb8", step=12),
        Image(height=4, width=0, encoding="rgb8", step=0),
        Image(height=0, width=0, encoding="nv12"),
    ],
    "step_too_small": [
        Image(height=2, width=4, encoding="rgb8", step=11, data=bytes(22)),
        Image(height=2, width=4, encoding="mono16", step=4, data=bytes(8)),
        Image(height=2, width=4, encoding="nv21", step=3, data=bytes(9)),
        Image(height=2, width=4, encoding="i420", step=3, data=bytes(9)),
        Image(height=2, width=4, encoding="rgb16", step=23, data=bytes(46)),
        Image(height=2, width=4, encoding="8UC3", step=11, data=bytes(22)),
    ],
    "wrong_data_length": [
        Image(height=2, width=4, encoding="rgb8", step=12, data=bytes(23)),
        Image(height=2, width=4, encoding="rgb8", step=12, data=bytes(25)),
        Image(height=2, width=4, encoding="rgb8", step=12),
        Image(height=2, width=4, encoding="nv12", step=4, data=bytes(8)),
        Image(height=2, width=4, encoding="nv24", step=4, data=bytes(12)),
        Image(height=2, width=4, encoding="i420", step=4, data=bytes(13)),
    ],
    "too_small": [
        Image(height=2, width=2, encoding="bayer_rggb8", step=2, data=bytes(4)),
        Image(height=1, width=1, encoding="nv12", step=1, data=bytes(2)),
        Image(height=1, width=1, encoding="i420", step=1, data=bytes(1)),
        Image(height=2, width=2, encoding="bayer_rggb16", step=4, data=bytes(8)),
    ],
    "too_large": [
        Image(height=1, width=2_100_000, encoding="mono8", step=2_100_000, data=bytes(2_100_000)),
        Image(height=2_100_000, width=1, encoding="mono8", step=1, data=bytes(2_100_000)),
    ],
}


@pytest.mark.parametrize(
    ("kind", "message"), [(kind, message) for kind, messages in BAD.items() for message in messages]
)
def test_unusable_messages_are_rejected_by_kind(kind, message):
    with pytest.raises(BadFrameError) as refusal:
        decode_image(message)
    assert refusal.value.kind == kind
    assert isinstance(refusal.value, InputError)


def test_errors_state_expected_and_actual_values():
    with pytest.raises(InputError, match=r"4x2 rgb8 with step 12 requires 24 bytes of data, got 23"):
        decode_image(BAD["wrong_data_length"][0])
    with pytest.raises(InputError, match=r"'32FC3' is not supported; expected one of rgb8, bgr8, "):
        decode_image(BAD["unknown_encoding"][2])
    with pytest.raises(InputError) as refusal:
        decode_image(Image(height=1, width=1, encoding="\n" + "rgb" * 100_000))
    assert str(refusal.value).startswith("encoding '\\nrgbrgb")
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_images_are_rejected_as_such(encoding):
    with pytest.raises(BadFrameError, match=f"encoding '{encoding}' is a depth image; expected colour or grey"):
        decode_image(Image(height=1, width=1, encoding=encoding, step=4, data=bytes(4)))


def test_all_documented_encodings_are_supported():
    expected = ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "yuv422_yuy2", "nv12", "nv21"]
    expected += ["nv24", "i420", "rgb16", "bgr16", "rgba16", "bgra16", "8UC1", "8UC3", "8UC4"]
    expected += [f"bayer_{pattern}{bits}" for pattern in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)]
    assert set(expected) <= set(ENCODINGS)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("encoding", "dtype", "values"),
    [
        ("mono8", np.uint8, [[0, 7, 255], [1, 2, 3]]),
        ("8UC1", np.uint8, [[0, 7, 255], [1, 2, 3]]),
        ("mono16", np.uint16, [[0, 258, 65535], [1, 2, 3]]),
        ("16UC1", np.uint16, [[0, 258, 65535], [1, 2, 3]]),
        ("16SC1", np.int16, [[0, 258, -2], [1, 2, 3]]),
        ("32SC1", np.int32, [[0, 70000, -2], [1, 2, 3]]),
    ],
)
def test_label_values_are_unchanged(encoding, dtype, values, big_endian):
    stored = np.array(values, np.dtype(dtype).newbyteorder(">" if big_endian else "<"))
    lines = np.frombuffer(stored.tobytes(), np.uint8).reshape(2, -1)
    decoded = decode_values(image(encoding, lines, width=3, height=2, padding=3, big_endian=big_endian))
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, values)


def test_colour_images_are_not_label_images():
    with pytest.raises(BadFrameError, match=r"encoding 'rgb8' holds no labels; expected one of mono8, "):
        decode_values(image("rgb8", PICTURE.reshape(2, -1), width=3, height=2))
    with pytest.raises(BadFrameError, match=r"3x2 mono8 with step 4 requires 8 bytes of data, got 7"):
        decode_values(Image(height=2, width=3, encoding="mono8", step=4, data=bytes(7)))


@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_millimeters_and_meters(big_endian):
    order = ">" if big_endian else "<"
    millimeters = np.array([[0, 1, 65535], [2000, 1234, 999]], f"{order}u2")
    meters = np.array([[np.nan, 0.001, 65.535], [2.0, 1.234, 0.999]], f"{order}f4")
    for encoding, pixels in (("16UC1", millimeters), ("32FC1", meters)):
        lines = pixels.view(np.uint8).reshape(2, -1)
        depth = decode_depth(image(encoding, lines, width=3, height=2, padding=5, big_endian=big_endian))
        assert depth.dtype == np.float32
        np.testing.assert_array_equal(depth, meters.astype(np.float32))


def test_missing_depth_is_nan():
    meters = np.array([[np.nan, np.inf, -np.inf, 0, -0.0, -2, 1e-3]], "<f4")
    depth = decode_depth(image("32FC1", meters.view(np.uint8), width=7, height=1))
    assert np.isnan(depth[0, :6]).all()
    assert depth[0, 6] == np.float32(1e-3)


def test_depth_needs_a_depth_image():
    with pytest.raises(BadFrameError, match="'mono8' holds no depth; expected 16UC1 or 32FC1: use the camera's depth"):
        decode_depth(image("mono8", PICTURE.reshape(2, -1)[:, :3], width=3, height=2))
    with pytest.raises(BadFrameError, match="requires 12 bytes of data, got 9"):
        decode_depth(Image(height=2, width=3, encoding="16UC1", step=6, data=bytes(9)))
