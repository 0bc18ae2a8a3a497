"""Files written by Pillow, as a camera driver or image_transport would send them."""

import io
import resource
import zlib

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")

from sensor_msgs.msg import CompressedImage

from bisenetformer_ros.images.compressed import decode_compressed, decode_compressed_values
from bisenetformer_ros.images.files import is_truncated
from bisenetformer_ros.images.raw import MAX_PIXELS, BadFrameError, DecodingReport

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (77, 77, 77)
PICTURE = np.array([[RED, GREEN, BLUE], [GREY, RED, (1, 2, 3)]], np.uint8)  # 2 rows, 3 columns


def compressed(
    pixels: np.ndarray, kind: str, form: str = "", cut: int = 0, padding: int = 0, **options
) -> CompressedImage:
    """Encode an image without its last `cut` bytes, followed by `padding` zeros."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, kind, **options)
    data = file.getvalue()
    return CompressedImage(format=form or kind, data=data[: len(data) - cut] + bytes(padding))


@pytest.mark.parametrize("form", ["png", "rgb8; png compressed bgr8", "", "PNG"])
def test_png_is_lossless_for_any_format_string(form):
    np.testing.assert_array_equal(decode_compressed(compressed(PICTURE, "png", form)), PICTURE)


def test_jpeg_is_decoded_within_its_rounding():
    flat = np.full((16, 16, 3), (200, 30, 60), np.uint8)
    difference = decode_compressed(compressed(flat, "jpeg", padding=7)).astype(int) - flat
    assert np.abs(difference).max() <= 4


def test_channels_stored_as_rgb_are_not_swapped():
    """OpenCV assumes BGR; a publisher that passes RGB states so in the format."""
    message = compressed(PICTURE[..., ::-1], "png", "rgb8; png compressed rgb8")
    np.testing.assert_array_equal(decode_compressed(message), PICTURE)


def test_alpha_is_ignored():
    with_alpha = np.dstack([PICTURE, np.full((2, 3), 9, np.uint8)])
    np.testing.assert_array_equal(decode_compressed(compressed(with_alpha, "png")), PICTURE)


def test_grey_with_8_and_16_bits():
    eight = np.array([[0, 128, 255]], np.uint8)
    assert decode_compressed(compressed(eight, "png"))[..., 1].tolist() == [[0, 128, 255]]
    sixteen = np.array([[0, 128, 129, 256 * 200, 65535]], np.uint16)  # 65535 / 255 = 257
    decoded = decode_compressed(compressed(sixteen, "png", "mono16; png compressed "))
    assert decoded.tolist() == [[[value] * 3 for value in (0, 0, 1, 199, 255)]]


def test_bit_depth_of_16_bits():
    message = compressed(np.array([[0, 8, 9, 2048, 4095, 4096]], np.uint16), "png", "mono16; png compressed ")
    report = DecodingReport()
    decoded = decode_compressed(message, bit_depth=12, report=report)
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 128, 255, 255]  # 4095 / 255 = 16.06
    assert (report.used_bits, report.assumed) == (13, set())


@pytest.mark.parametrize("form", ["8UC3; png compressed ", "8UC3; png compressed bgr8"])
def test_assumed_colours_are_reported(form):
    report = DecodingReport()
    np.testing.assert_array_equal(decode_compressed(compressed(PICTURE, "png", form), report=report), PICTURE)
    assert report.assumed == {"8UC3"}


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_bayer_mosaics_are_demosaiced(kind):
    red, green, blue = 200, 90, 30
    mosaic = np.tile(np.array([[green, red], [blue, green]], np.uint8), (8, 8))
    decoded = decode_compressed(compressed(mosaic, kind, f"bayer_grbg8; {kind} compressed ", **QUALITY[kind]))
    tolerance = 0 if kind == "png" else 8
    np.testing.assert_allclose(decoded[4:12, 4:12], np.full((8, 8, 3), (red, green, blue)), atol=tolerance)


QUALITY = {"png": {}, "jpeg": {"quality": 100}}


def test_bayer_mosaic_of_12_bits():
    red, green, blue = 4 * 819, 2 * 819, 819  # fifths of 4095
    mosaic = np.tile(np.array([[red, green], [green, blue]], np.uint16), (8, 8))
    decoded = decode_compressed(compressed(mosaic, "png", "bayer_rggb16; png compressed "), bit_depth=12)
    np.testing.assert_array_equal(decoded, np.broadcast_to((204, 102, 51), (16, 16, 3)))


def test_lossless_webp():
    np.testing.assert_array_equal(decode_compressed(compressed(PICTURE, "webp", lossless=True)), PICTURE)
    with_alpha = np.dstack([PICTURE, np.full((2, 3), 9, np.uint8)])
    message = compressed(with_alpha, "webp", lossless=True, exact=True, padding=5)
    np.testing.assert_array_equal(decode_compressed(message), PICTURE)


def test_lossy_webp_is_decoded_within_its_rounding():
    flat = np.full((16, 24, 3), (200, 30, 60), np.uint8)
    difference = decode_compressed(compressed(flat, "webp", "rgb8; webp compressed bgr8")).astype(int) - flat
    assert np.abs(difference).max() <= 8


@pytest.mark.parametrize("options", [{"lossless": True}, {}, {"exif": b"Exif\0\0" + bytes(8)}])
def test_size_of_a_webp(options, monkeypatch):
    monkeypatch.setattr("bisenetformer_ros.images.compressed.MAX_PIXELS", 100)
    with pytest.raises(BadFrameError, match="claims to be 30x20; expected at most 100 pixels"):
        decode_compressed(compressed(np.zeros((20, 30, 3), np.uint8), "webp", **options))


def test_exif_orientation_is_ignored():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees for display
    decoded = decode_compressed(compressed(np.zeros((16, 32, 3), np.uint8), "jpeg", exif=exif.tobytes()))
    assert decoded.shape == (16, 32, 3)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("cut", [1, 60])
@pytest.mark.parametrize("padding", [0, 1])
def test_truncated_files_are_rejected(kind, cut, padding):
    message = compressed(noise((40, 40)), kind, cut=cut, padding=padding * (cut - 1))
    expected = f"{len(message.data)} bytes and format '{kind}' is (truncated: its end is missing|corrupt)"
    with pytest.raises(BadFrameError, match=expected) as refusal:
        decode_compressed(message)
    assert refusal.value.kind == "damaged_file"


def noise(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 1},
    "comment with an end marker": {"comment": b"\xff\xd9" * 9},
}


@pytest.mark.parametrize(
    "tail", [b"\r\n", bytes(9000), b"\xff" * 9000, b"\xff\xd8\xff\xe0\0\x10JFIF", b"--boundary\r\n" * 900]
)
@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_bytes_behind_the_end_of_a_jpeg_are_ignored(options, tail):
    """Cameras pad their buffers, and proxies of MJPEG streams leave the text between two pictures."""
    message = compressed(noise((40, 56)), "jpeg", **options)
    expected = decode_compressed(message)
    message.data = bytes(message.data) + tail
    np.testing.assert_array_equal(decode_compressed(message), expected)


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_a_jpeg_is_truncated_wherever_it_is_cut(options):
    """The thumbnail in the EXIF segment has an end marker of its own."""
    exif = PIL.Image.Exif()
    exif[0x927C] = bytes(compressed(noise((8, 8)), "jpeg").data)
    file = bytes(compressed(noise((24, 24)), "jpeg", exif=exif.tobytes(), **options).data)
    assert file.count(b"\xff\xd9") > 1
    assert not is_truncated(file)
    for length in range(2, len(file)):
        assert is_truncated(file[:length])
        assert is_truncated(file[:length] + bytes(20))


def test_a_jpeg_whose_end_was_lost_in_a_stream_is_truncated():
    """The end marker is that of the next picture."""
    file = bytes(compressed(noise((24, 24)), "jpeg").data)
    assert is_truncated(file[:-100] + file)
    with pytest.raises(BadFrameError, match="truncated: its end is missing"):
        decode_compressed(CompressedImage(format="jpeg", data=file[:-100] + file))


def test_corrupt_png_is_rejected():
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    message = compressed(noise, "png")
    message.data[len(message.data) // 2] ^= 0xFF
    with pytest.raises(BadFrameError) as refusal:
        decode_compressed(message)
    assert refusal.value.kind == "damaged_file"


@pytest.mark.parametrize("data", [b"", b"nonsense", b"BM" + bytes(100), b"RIFF\x04\0\0\0WAVE"])
def test_other_formats_are_rejected(data):
    message = CompressedImage(format="bmp", data=data)
    with pytest.raises(BadFrameError, match=f"{len(data)} bytes and format 'bmp' is neither JPEG.* WebP$") as refusal:
        decode_compressed(message)
    assert refusal.value.kind == "unknown_encoding"


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("h264", b"\0\0\0\x01\x67" + bytes(50)),
        ("", b"\0\0\x01\x09\x10"),
        ("hevc", b"\x02"),
        ("rgb8; ffmpeg", b"\x02"),
        ("libx264", b"\x02"),
    ],
)
def test_video_packets_are_rejected_with_a_remedy(form, data):
    with pytest.raises(BadFrameError, match=r"packet of a video; run image_transport's `republish` from ffmpeg to raw"):
        decode_compressed(CompressedImage(format=form, data=data))
    assert decode_compressed(compressed(PICTURE, "png", form or "avc")).shape == (2, 3, 3)  # the data decides


@pytest.mark.parametrize("form", ["16UC1; png compressed ", "16UC1; png", "16UC1", "32FC1; png compressed "])
def test_depth_in_a_png_is_rejected_like_raw_depth(form):
    message = compressed(np.array([[500, 4000]], np.uint16), "png", form)
    with pytest.raises(BadFrameError, match="is a depth image; expected colour or grey") as refusal:
        decode_compressed(message)
    assert refusal.value.kind == "unknown_encoding"


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "32FC1; compressedDepth rvl", "16UC1; compressedDepth"])
def test_compressed_depth_is_rejected_with_the_republisher(form):
    picture = bytes(compressed(np.zeros((2, 2), np.uint16), "png").data)
    for header in (b"", bytes(12)):  # the plugin puts the depth's quantization before the file
        with pytest.raises(BadFrameError, match=r"is a depth image.*`republish` from compressedDepth to raw"):
            decode_compressed(CompressedImage(format=form, data=header + picture))


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xff\xff\xd9", b"\x89PNG\r\n\x1a\n"])
def test_files_with_little_more_than_a_signature_are_rejected(data):
    with pytest.raises(BadFrameError) as refusal:
        decode_compressed(CompressedImage(format="jpeg", data=data))
    assert refusal.value.kind == "damaged_file"


def test_huge_claimed_sizes_are_rejected_before_allocation():
    side = int(MAX_PIXELS**0.5) + 1
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + zlib.crc32(header).to_bytes(4, "big")
    jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x11\x08" + side.to_bytes(2, "big") * 2 + bytes(10)
    for data in (png, jpeg):
        with pytest.raises(BadFrameError, match=f"claims to be {side}x{side}; expected at most") as refusal:
            decode_compressed(CompressedImage(format="png", data=data))
        assert refusal.value.kind == "too_large"


def test_huge_claimed_chunks_allocate_nothing():
    message = compressed(np.zeros((8, 8, 3), np.uint8), "png")
    head, rest = bytes(message.data).split(b"IDAT")
    message.data = head[:-4] + b"\xff\xff\xff\xffIDAT" + rest
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadFrameError) as refusal:
        decode_compressed(message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB; OpenCV would take four times that
    assert refusal.value.kind == "damaged_file"


@pytest.mark.parametrize("junk", [b"junk", b"\xff\x00", b"\xff\xd0", b"\x00\xff\xff", b"a\xff\x01b"])
def test_junk_before_the_frame_header_is_skipped(junk):
    """libjpeg skips it with a warning, and would then use a size that was not checked."""
    head, rest = bytes(compressed(np.zeros((8, 8, 3), np.uint8), "jpeg").data).split(b"\xff\xc0\0\x11\x08\0\x08\0\x08")
    small, huge = (b"\xff\xc0\0\x11\x08" + side.to_bytes(2, "big") * 2 for side in (8, 65500))
    data = head + junk + small + rest
    assert decode_compressed(CompressedImage(format="jpeg", data=data)).shape == (8, 8, 3)
    with pytest.raises(BadFrameError, match="claims to be 65500x65500"):
        decode_compressed(CompressedImage(format="jpeg", data=head + junk + huge + rest))


def test_size_of_a_progressive_jpeg(monkeypatch):
    monkeypatch.setattr("bisenetformer_ros.images.compressed.MAX_PIXELS", 100)
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    with pytest.raises(BadFrameError, match="claims to be 30x20"):
        decode_compressed(compressed(noise, "jpeg", progressive=True, comment=b"\xff\xc0" * 20))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("form", ["png", "16UC1; png compressed "])
def test_label_values_are_preserved(dtype, form):
    values = np.array([[0, 7, 255], [1, 2, np.iinfo(dtype).max]], dtype)
    decoded = decode_compressed_values(compressed(values, "png", form))
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, values)


def test_one_bit_and_equal_channels_are_label_values():
    ids = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    for stored in (ids == 1, np.dstack([ids] * 3)):
        np.testing.assert_array_equal(decode_compressed_values(compressed(stored, "png")), ids)


def test_lossy_or_multichannel_label_images_are_rejected():
    with pytest.raises(BadFrameError, match="format 'jpeg' does not preserve label values; expected png"):
        decode_compressed_values(compressed(np.zeros((8, 8), np.uint8), "jpeg"))
    with pytest.raises(BadFrameError, match="expected a label PNG with one channel, got 3"):
        decode_compressed_values(compressed(PICTURE, "png"))
