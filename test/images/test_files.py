import resource
import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import (
    exif_orientation,
    explain_orientation,
    instance_numbers,
    read_label_image,
    read_label_images,
    read_pixels,
    read_rgb,
    without_color,
    write_image,
)

INDICES = np.arange(48, dtype=np.uint8).reshape(6, 8) % 5
NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_read_rgb(tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    Image.fromarray(NOISE[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), NOISE)
    np.testing.assert_array_equal(read_rgb(tmp_path / "grey.png"), np.repeat(NOISE[..., :1], 3, axis=2))


def test_label_images_with_8_and_16_bits(tmp_path: Path) -> None:
    large = INDICES.astype(np.uint16) * 9000
    for name, expected in (("small.png", INDICES), ("large.png", large)):
        Image.fromarray(expected).save(tmp_path / name)
        image = read_label_image(tmp_path / name)
        np.testing.assert_array_equal(image, expected)
        assert image.dtype == expected.dtype


def test_palette_png_returns_indices(tmp_path: Path) -> None:
    image = Image.fromarray(INDICES, mode="P")
    image.putpalette(
        [value for color in ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)) for value in color]
    )
    for bits in (8, 4):
        image.save(tmp_path / "voc.png", bits=bits)
        np.testing.assert_array_equal(read_label_image(tmp_path / "voc.png"), INDICES)


def png(ids: np.ndarray, depth: int, color_type: int, transparent: bytes = b"") -> bytes:
    """Write ids, (H, W), as in the PNG specification: the same number in every channel but alpha."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type]
    pixels = np.repeat(ids[..., None], channels, axis=2)
    if color_type in (4, 6):
        pixels[..., -1] = 2**depth - 1
    bits = (pixels[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(len(ids), -1).astype(np.uint8), axis=1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *ids.shape[::-1], depth, color_type, 0, 0, 0))]
    chunks += [(b"PLTE", bytes(range(100, 148)))] if color_type == 3 else []
    chunks += [(b"tRNS", transparent)] if transparent else []
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    signed = [
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big") for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(signed)


KINDS = [
    *((depth, 0, transparent) for depth in (1, 2, 4, 8, 16) for transparent in (b"", b"\0\0")),
    *((depth, 3, transparent) for depth in (1, 2, 4) for transparent in (b"", b"\0")),
    *((depth, color_type, b"") for depth in (8, 16) for color_type in (2, 4, 6)),
]


@pytest.mark.parametrize(("depth", "color_type", "transparent"), KINDS)
def test_every_kind_of_label_png_holds_its_ids(tmp_path: Path, depth: int, color_type: int, transparent: bytes) -> None:
    ids = np.random.default_rng(depth).integers(0, 2**depth, (5, 7), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(png(ids, depth, color_type, transparent))
    np.testing.assert_array_equal(without_color(read_label_image(tmp_path / "a.png")), ids)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_turns_images_and_is_explained(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.fromarray(NOISE[:, :, 0]).save(path, exif=exif.tobytes())
    if suffix == ".webp" and cv2.imread(str(path)).shape[:2] == (60, 80):
        pytest.skip(f"OpenCV {cv2.__version__} does not read the EXIF of WebP")
    assert read_rgb(path).shape == (80, 60, 3)
    assert read_label_image(path).shape[:2] == (60, 80)
    assert exif_orientation(path) == 6
    assert "the image is turned by its EXIF orientation 6: turn the label image likewise" in explain_orientation(path)
    Image.fromarray(NOISE).save(path)
    assert (exif_orientation(path), explain_orientation(path), explain_orientation(None)) == (1, "", "")
    path.write_bytes(b"no image")
    assert exif_orientation(path) == 1


def test_colours_stay_colours() -> None:
    assert without_color(NOISE) is NOISE
    np.testing.assert_array_equal(instance_numbers(NOISE, Path()), NOISE.astype(int) @ [1, 256, 65536])
    with pytest.raises(DataError, match=r"a\.png has colours of 16 bits per channel, expected 8"):
        instance_numbers(NOISE.astype(np.uint16), Path("a.png"))


def test_other_pixels_are_not_label_values(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.tif"), np.full((4, 5), 1.5, np.float32))
    with pytest.raises(DataError, match=r"a\.tif has float32 pixels, expected 8 or 16 bits"):
        read_label_image(tmp_path / "a.tif")


@pytest.mark.parametrize("color_type", [0, 3])
@pytest.mark.parametrize("start", [b"IEND", b"IHDR"])
def test_corrupt_and_huge_headers_are_rejected(tmp_path: Path, start: bytes, color_type: int) -> None:
    """A PNG without a header, and one that claims 1.6 gigapixels."""
    whole = png(INDICES, 8 if color_type == 0 else 4, color_type)
    side = (40_000).to_bytes(4, "big")
    huge = b"IHDR" + side + side + whole[24:29]
    header = whole[8:12] + huge + zlib.crc32(huge).to_bytes(4, "big") if start == b"IHDR" else b""
    (tmp_path / "a.png").write_bytes(whole[:8] + header + (whole[33:] if header else whole[-12:]))
    for read in (read_rgb, read_label_image):
        with pytest.raises(DataError, match=r"a\.png cannot be read"):
            read(tmp_path / "a.png")


def test_palette_png_requires_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(INDICES, mode="P").save(tmp_path / "voc.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"voc.png has a palette; .*pip install pillow"):
        read_label_image(tmp_path / "voc.png")


def test_colours_are_rgb_without_alpha(tmp_path: Path) -> None:
    Image.fromarray(NOISE).save(tmp_path / "colors.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "colors.png"), NOISE)
    rgba = np.dstack([NOISE, NOISE[..., 0]])
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "alpha.png"), NOISE)


@pytest.mark.parametrize(
    ("share", "message"), [(0.0, "is empty$"), (0.1, "is truncated"), (0.6, "is truncated"), (0.999, "is truncated")]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", "_palette.png"])
def test_truncated_files_are_rejected(tmp_path: Path, suffix: str, share: float, message: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == "_palette.png":
        Image.fromarray(NOISE[..., 0], mode="P").save(path)
    else:
        assert cv2.imwrite(str(path), NOISE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for read in (read_rgb, read_label_image):
        with pytest.raises(DataError, match=f"a{suffix} {message}"):
            read(path)


def jpeg(**options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(NOISE).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("trailer", [b"\0" * 2000, b"\r\n", b"\xff", b"\xff\xff\xd8", bytes(range(1, 250)) * 40])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"comment": b"\xff\xd9"}])
def test_bytes_after_the_end_are_ignored(tmp_path: Path, options: dict, trailer: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(**options))
    expected = read_rgb(path)
    path.write_bytes(path.read_bytes() + trailer)
    np.testing.assert_array_equal(read_rgb(path), expected)


@pytest.mark.parametrize("trailer", [b"", b"\0" * 2000, b"\r\n", jpeg()], ids=["nothing", "zeros", "CRLF", "next"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"comment": b"\xff\xd9"}])
def test_a_jpeg_without_its_end_is_truncated_whatever_surrounds_the_gap(
    tmp_path: Path, options: dict, trailer: bytes
) -> None:
    """The comment stands for a thumbnail, which has an end of its own."""
    whole = jpeg(**options)
    for end in (len(whole) // 2, len(whole) - 2):
        (tmp_path / "a.jpg").write_bytes(whole[:end] + trailer)
        with pytest.raises(DataError, match=r"a\.jpg is truncated: its end is missing"):
            read_rgb(tmp_path / "a.jpg")


def test_corrupt_pixels_are_rejected(tmp_path: Path) -> None:
    """A complete PNG whose compressed data holds too few pixels."""
    path = tmp_path / "a.png"
    Image.fromarray(INDICES, mode="P").save(path)
    whole = path.read_bytes()
    start = whole.index(b"IDAT")
    length = int.from_bytes(whole[start - 4 : start], "big")
    few = zlib.compress(b"\0\0\0")
    chunk = b"IDAT" + few
    checksum = zlib.crc32(chunk).to_bytes(4, "big")
    rest = whole[start + 8 + length :]
    path.write_bytes(whole[: start - 4] + len(few).to_bytes(4, "big") + chunk + checksum + rest)
    with pytest.raises(DataError, match=r"a.png cannot be read"):
        read_label_image(path)


def test_all_unreadable_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot be read: embedded null byte"):
        read_rgb(tmp_path / "nul\0.png")
    with pytest.raises(DataError, match=r"missing.png cannot be read: No such file.*; .*text.png cannot be read"):
        read_label_images(tmp_path / "missing.png", tmp_path / "text.png")
    Image.fromarray(INDICES).save(tmp_path / "wide.png")
    Image.fromarray(INDICES.T).save(tmp_path / "high.png")
    with pytest.raises(DataError, match=r"high.png is 6x8, .*wide.png is 8x6"):
        read_label_images(tmp_path / "wide.png", tmp_path / "high.png")


def test_written_files_read_back(tmp_path: Path) -> None:
    for image in (NOISE, NOISE[..., 0], NOISE[..., 0].astype(np.uint16) * 257):
        write_image(tmp_path / "a.png", image)
        expected = image if image.ndim == 2 else image[..., ::-1]
        np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), expected)
    with pytest.raises(OSError, match=r"cannot write .*a.png \(No such file or directory\): check that"):
        write_image(tmp_path / "missing" / "a.png", NOISE)


def test_a_full_disk_leaves_the_old_image(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", NOISE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        for name in ("a.png", "b.png"):
            with pytest.raises(OSError, match=rf"cannot write .*{name} \(File too large\): check that"):
                write_image(tmp_path / name, NOISE[::-1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), NOISE)
