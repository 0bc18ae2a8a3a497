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
    ],
    "wrong_data_length": [
        Image(height=2, width=4, encoding="rgb8", step=12, data=bytes(23)),
        Image(height=2, width=4, encoding="rgb8", step=12, data=bytes(25)),
        Image(height=2, width=4, encoding="rgb8", step=12),
        Image(height=2, width=4, encoding="nv12", step=4, data=bytes(8)),
    ],
    "too_small": [
        Image(height=2, width=2, encoding="bayer_rggb8", step=2, data=bytes(4)),
        Image(height=1, width=1, encoding="nv12", step=1, data=bytes(2)),
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
    with pytest.raises(InputError, match=r"'32FC1' is not supported; expected one of rgb8, bgr8, "):
        decode_image(BAD["unknown_encoding"][0])
    with pytest.raises(InputError) as refusal:
        decode_image(Image(height=1, width=1, encoding="\n" + "rgb" * 100_000))
    assert str(refusal.value).startswith("encoding '\\nrgbrgb")
    assert len(str(refusal.value)) < 400


def test_all_documented_encodings_are_supported():
    expected = ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "yuv422", "yuv422_yuy2", "nv12", "nv21"]
    assert {*expected, "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"} <= set(ENCODINGS)


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
