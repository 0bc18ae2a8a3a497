import resource
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import read_label_image, read_label_images, read_pixels, read_rgb, write_image

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


def test_palette_png_requires_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(INDICES, mode="P").save(tmp_path / "voc.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"voc.png has a palette; .* pip install pillow"):
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


def test_bytes_after_the_end_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    assert cv2.imwrite(str(path), NOISE)
    expected = read_rgb(path)
    path.write_bytes(path.read_bytes() + b"\0" * 2000)
    np.testing.assert_array_equal(read_rgb(path), expected)


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
