"""On the CPU: with torchvision, where one for this PyTorch is installed, and with Pillow in its place."""

import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from pillow_torchvision import write_torchvision

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.images.compressed import JpegDecoder, decode_compressed
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.inference.gpu_jpeg import MAX_FAILURES, TorchJpegDecoder, open_nvjpeg, plain_jpeg
from bisenetformer_ros.resources import share_dir

CPU = torch.device("cpu")
PLAIN = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "grey": {"mode": "L"},
    "restart markers": {"restart_marker_blocks": 1},
    "comment with an end marker": {"comment": b"\xff\xd9" * 9},
    "broken EXIF": {"exif": b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff\xd8\xff\xd9"},
    "turned by EXIF": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
    "colour profile": {"icc_profile": b"x" * 70_000},
}


def jpeg(size: tuple[int, int] = (24, 33), mode: str = "RGB", **options) -> bytes:
    """A smooth picture of (height, width)."""
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8))
    file = io.BytesIO()
    noise.resize(size[::-1], PIL.Image.Resampling.BICUBIC).convert(mode).save(file, "jpeg", **options)
    return file.getvalue()


def pixels_of(file: bytes) -> np.ndarray:
    """(H, W) or (H, W, 3) RGB by Pillow, which ignores the orientation as well."""
    return np.asarray(PIL.Image.open(io.BytesIO(file)))


def imdecode(file: bytes) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)


def with_segment(file: bytes, marker: int, content: bytes) -> bytes:
    """The file with a segment behind its start."""
    return file[:2] + bytes([0xFF, marker]) + (2 + len(content)).to_bytes(2, "big") + content + file[2:]


def without_segments(file: bytes, marker: int) -> bytes:
    while (begin := file.find(bytes([0xFF, marker]))) >= 0:
        file = file[:begin] + file[begin + 2 + int.from_bytes(file[begin + 2 : begin + 4], "big") :]
    return file


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("tail", [b"", bytes(99), b"\xff\xd8\xff\xe0\0\x10JFIF"], ids=["", "zeros", "next"])
@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_a_plain_jpeg_keeps_its_pixels_and_nothing_else(options, tail):
    file = jpeg(**options)
    plain = plain_jpeg(file + tail)
    expected = pixels_of(file)
    assert plain.shape == (1 if expected.ndim == 2 else 3, 24, 33)
    np.testing.assert_array_equal(pixels_of(plain.data), expected)
    assert len(plain.data) <= len(file)
    segments = plain.data[: plain.data.index(b"\xff\xda")]
    assert not any(bytes([0xFF, marker]) in segments for marker in (*range(0xE0, 0xF0), 0xFE))
    assert plain.data.endswith(b"\xff\xd9")


def test_a_file_without_application_segments_is_plain():
    file = without_segments(jpeg(), 0xE0)
    assert plain_jpeg(file).data == file


FILE = jpeg()
FRAME = b"\xff\xc0\0\x11\x08\0\x18\0\x21\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
SCAN = b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0"
OTHERS = {
    "progressive": jpeg(progressive=True),
    "CMYK": jpeg(mode="CMYK"),
    "Adobe": with_segment(FILE, 0xEE, b"Adobe\0\x64\0\0\0\0\x01"),
    "components R, G and B": FILE.replace(FRAME, FRAME[:10] + b"R\x22\0G\x11\x01B\x11\x01").replace(
        SCAN, SCAN[:5] + b"R\0G\x11B\x11\0\x3f\0"
    ),
    "12 bits": FILE.replace(FRAME, FRAME.replace(b"\x11\x08", b"\x11\x0c")),
    "arithmetic coding": FILE.replace(b"\xff\xc0", b"\xff\xc9"),
    "4:1:1": FILE.replace(FRAME, FRAME.replace(b"\x01\x22", b"\x01\x41")),
    "height 0": FILE.replace(FRAME, FRAME.replace(b"\0\x18", b"\0\0")),
    "two frame headers": FILE.replace(FRAME, FRAME + FRAME),
    "short frame header": FILE.replace(FRAME, b"\xff\xc0\0\x08\x08\0\x18\0\x21\x03"),
    "no frame header": FILE.replace(FRAME, b""),
    "scan of one component": FILE.replace(SCAN, b"\xff\xda\0\x08\x01\x01\0\0\x3f\0"),
    "scan of half the coefficients": FILE.replace(SCAN, SCAN[:-2] + b"\x1f\0"),
    "no Huffman tables": without_segments(FILE, 0xC4),
    "no quantization tables": without_segments(FILE, 0xDB),
    "bytes between segments": FILE.replace(FRAME, b"junk" + FRAME),
    "fill bytes": FILE.replace(FRAME, b"\xff" + FRAME),
    "EXIF of a wrong length": with_segment(FILE, 0xE1, b"Exif").replace(b"\0\x06Exif", b"\0\x03Exif"),
    "EXIF of length 0": with_segment(FILE, 0xE1, b"").replace(b"\xff\xe1\0\x02", b"\xff\xe1\0\0"),
    "truncated": FILE[:-1],
    "truncated header": FILE[: FILE.index(FRAME) + 7],
    "start and end": b"\xff\xd8\xff\xd9",
}

FILES = {name: jpeg(**options) for name, options in PLAIN.items()} | OTHERS


def test_the_other_files_differ_from_the_plain_one():
    assert FRAME in FILE
    assert SCAN in FILE
    assert len({FILE, *OTHERS.values()}) == 1 + len(OTHERS)


@pytest.mark.parametrize("file", OTHERS.values(), ids=OTHERS)
def test_other_files_are_left_to_opencv(file):
    assert plain_jpeg(file) is None


def test_a_change_of_any_header_byte_leaves_the_pixels_of_opencv():
    """What OpenCV sees in the whole file it also sees in the plain one; what it rejects, it rejects there, too."""
    file = jpeg((8, 8), exif=b"Exif\0\0MM\0*", comment=b"comment")
    header = file.index(b"\xff\xda") + 14
    num_plain = 0
    for position in range(2, header):
        for change in (0x01, 0x10, 0xFF):
            changed = file[:position] + bytes([file[position] ^ change]) + file[position + 1 :]
            plain = plain_jpeg(changed)
            if plain is not None:
                num_plain += 1
                expected, decoded = imdecode(changed), imdecode(plain.data)
                assert (decoded is None) == (expected is None), position
                if expected is not None:
                    np.testing.assert_array_equal(decoded, expected, err_msg=str(position))
    assert num_plain > header


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """Where `import torchvision` looks first."""

    def take_out() -> dict[str, ModuleType]:
        return {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "torchvision"}

    real = take_out()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    take_out()
    sys.modules.update(real)


@pytest.fixture(params=["torchvision", "Pillow"])
def library(request):
    if request.param == "Pillow":
        write_torchvision(request.getfixturevalue("folder"))
        return
    try:
        importlib.import_module("torchvision.io")
    except Exception as error:  # a RuntimeError for another build of PyTorch
        pytest.skip(f"no torchvision for this PyTorch is installed: {error}")


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def decoder(library, warnings):
    return TorchJpegDecoder(CPU, warnings.append)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_pixels_are_those_of_libjpeg(decoder, options):
    file = jpeg(**options)
    pixels = decoder(file)
    np.testing.assert_allclose(pixels[..., ::-1] if pixels.ndim == 3 else pixels, pixels_of(file), atol=1)


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_messages_are_decoded_as_by_opencv(decoder, file):
    def decode(form: str, decode_jpeg: JpegDecoder | None) -> np.ndarray:
        message = SimpleNamespace(format=form, data=file)
        try:
            return decode_compressed(message, decode_jpeg=decode_jpeg)
        except BadFrameError as error:
            return np.frombuffer(f"{error.kind}: {error}".encode(), np.uint8)

    for form in ("rgb8; jpeg compressed bgr8", "rgb8; jpeg compressed rgb8", "bayer_rggb8; jpeg"):
        np.testing.assert_allclose(decode(form, decoder), decode(form, None), atol=1)


def test_what_is_not_a_jpeg_is_not_passed_to_the_decoder():
    file = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(file, "png")
    message = SimpleNamespace(format="jpeg", data=file.getvalue())
    np.testing.assert_array_equal(decode_compressed(message, decode_jpeg=pytest.fail), np.zeros((8, 8, 3)))


def test_single_failures_are_left_to_opencv_and_a_series_ends_the_decoder(decoder, warnings):
    """A scan that refers to a Huffman table that is not there."""
    good, bad = jpeg(), FILE.replace(SCAN, SCAN.replace(b"\x02\x11", b"\x02\x33"))
    for _ in range(2):
        for _ in range(MAX_FAILURES - 1):
            assert decoder(bad) is None
        assert decoder(good) is not None
    assert warnings == []
    for _ in range(MAX_FAILURES + 1):
        assert decoder(bad) is None
    assert decoder(good) is None
    assert len(warnings) == 1
    assert warnings[0].startswith(f"it failed {MAX_FAILURES} times in a row, the last time with ")
    assert "\n" not in warnings[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("[..., ::-1]", r"the mean difference is 7\.\d\d grey values, the largest \d+; expected at most 1 and 64"),
        ("[:, ::-1]", "to other pixels than OpenCV on cpu"),
        (" ^ (np.arange(480) == 7)[:, None] * np.uint8(128)", "the largest 128"),
        ("[1:]", r"ValueError: pixels of shape \(3, 359, 480\), expected \(3, 360, 480\)"),
    ],
)
def test_other_pixels_are_found_at_start(folder, change, words):
    write_torchvision(folder, change)
    with pytest.raises(EngineError, match=words):
        TorchJpegDecoder(CPU, pytest.fail)


@pytest.mark.parametrize(("shift", "is_accepted"), [(0, True), (2, False)])
def test_chroma_may_be_repeated_but_not_shifted(folder, shift, is_accepted):
    """Pillow does not interpolate the chroma of a picture of half the size; JFIF 1.02 has the conversion."""
    path = share_dir() / "config" / "verification" / "street_0.jpg"
    with PIL.Image.open(path) as full, PIL.Image.open(path) as half:
        full.draft("YCbCr", full.size)
        half.draft("YCbCr", (full.width // 2, full.height // 2))
        luma, chroma = np.asarray(full)[..., 0].astype(float), np.asarray(half)[..., 1:].astype(float) - 128
    assert chroma.shape == (180, 240, 2)
    cb, cr = np.moveaxis(np.roll(chroma.repeat(2, 0).repeat(2, 1), shift, 1), 2, 0)
    rgb = np.dstack([luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb])
    np.save(folder / "rgb.npy", np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
    write_torchvision(folder, f" * 0 + np.load({str(folder / 'rgb.npy')!r})")
    if is_accepted:
        TorchJpegDecoder(CPU, pytest.fail)
    else:
        with pytest.raises(EngineError, match="torchvision decodes to other pixels than OpenCV on cpu"):
            TorchJpegDecoder(CPU, pytest.fail)


@pytest.mark.parametrize("source", ["", "raise RuntimeError('operator torchvision::nms does not exist')"])
def test_a_torchvision_that_cannot_be_used_is_an_error_with_a_remedy(folder, source):
    (folder / "torchvision.py").write_text(source)
    reason = "operator torchvision::nms does not exist" if source else "'torchvision' is not a package"
    words = f"torchvision does not decode on cpu .*{reason}.*install the torchvision that belongs to this PyTorch"
    with pytest.raises(EngineError, match=words):
        TorchJpegDecoder(CPU, pytest.fail)


def test_nvjpeg_needs_cuda():
    with pytest.raises(EngineError, match="the engine runs on cpu, expected cuda: set jpeg_decoder to opencv"):
        open_nvjpeg("cpu", pytest.fail)


def test_a_gpu_that_pytorch_cannot_use_is_an_error():
    if torch.cuda.is_available():
        pytest.skip("it could be used")
    with pytest.raises(EngineError, match="torchvision does not decode on cuda:0 "):
        open_nvjpeg("cuda:0", pytest.fail)
