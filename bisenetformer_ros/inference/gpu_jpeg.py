"""Decodes JPEGs with nvJPEG, through torchvision. Not run on a GPU yet, see docs/notes/jpeg-decoding.md."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.images.files import JPEG_SIGNATURE, jpeg_markers, read_pixels
from bisenetformer_ros.resources import share_dir

MAX_FAILURES = 10
"""Failures in a row that end the decoder; the image may be the reason of a single one."""
MAX_MEAN_DIFFERENCE, MAX_DIFFERENCE = 1.0, 64
"""Accepted differences from OpenCV's pixels on the known JPEG, in grey values. Repeated instead of interpolated chroma
causes 0.35 and 34; chroma that is off by one of its samples, 1.2 and 80; red and blue swapped, a mean of 7.5."""

_FRAME, _HUFFMAN, _END, _SCAN, _QUANTIZATION, _RESTARTS = 0xC0, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
"""Markers (ITU-T T.81, table B.1); this frame is the baseline one."""
_KEPT = {_FRAME, _HUFFMAN, _SCAN, _QUANTIZATION, _RESTARTS}
_DROPPED = {*range(0xE0, 0xEE), 0xEF, 0xFE}
"""Markers of application segments and comments."""
_SAMPLING = {b"\x11", b"\x11\x11\x11", b"\x21\x11\x11", b"\x22\x11\x11"}
"""Sampling factors of the components: grey, 4:4:4, 4:2:2 and 4:2:0."""


@dataclass(frozen=True)
class PlainJpeg:
    """A JPEG of which only what decoding needs is left."""

    data: bytes
    shape: tuple[int, int, int]  # channels, height, width


class TorchJpegDecoder:
    """Decodes plain JPEGs on a device of PyTorch. OpenCV has to decode all others."""

    def __init__(self, device: torch.device, warn: Callable[[str], None]) -> None:
        """Decode a known JPEG and compare it with OpenCV's pixels.

        Args:
            device: CUDA for nvJPEG; on the CPU, torchvision decodes with libjpeg.
            warn: Called once, with the reason, if the decoder gives up.

        Raises:
            EngineError: torchvision or the device cannot decode, or decodes to other pixels.
        """
        self._device = device
        self._warn = warn
        self._failures = 0
        self._stream: torch.cuda.Stream | None = None
        path = share_dir() / "config" / "verification" / "street_0.jpg"
        jpeg = plain_jpeg(path.read_bytes())
        assert jpeg is not None
        try:
            if device.type == "cuda":  # its memory comes from this stream, whose work is always done
                self._stream = torch.cuda.Stream(device)
            pixels = self._decode(jpeg)
        except Exception as error:  # a torchvision for another PyTorch fails with a RuntimeError when it is imported
            raise EngineError(
                f"torchvision does not decode on {device} ({_first_line(error)}): install the torchvision that belongs "
                f"to this PyTorch, {torch.__version__}, built with nvJPEG, or set jpeg_decoder to opencv"
            ) from error
        difference = cv2.absdiff(pixels, read_pixels(path))
        if difference.mean() > MAX_MEAN_DIFFERENCE or difference.max() > MAX_DIFFERENCE:
            raise EngineError(
                f"torchvision decodes to other pixels than OpenCV on {device}: the mean difference is "
                f"{difference.mean():.2f} grey values, the largest {difference.max()}; expected at most "
                f"{MAX_MEAN_DIFFERENCE:g} and {MAX_DIFFERENCE}: set jpeg_decoder to opencv"
            )

    def __call__(self, data: bytes) -> np.ndarray | None:
        """Decode a complete JPEG.

        Returns:
            (H, W) grey or (H, W, 3) BGR, uint8; None if OpenCV has to decode it.
        """
        jpeg = plain_jpeg(data) if self._failures < MAX_FAILURES else None
        if jpeg is None:
            return None
        try:
            pixels = self._decode(jpeg)
        except Exception as error:
            self._failures += 1
            if self._failures == MAX_FAILURES:
                reason = f"it failed {MAX_FAILURES} times in a row, the last time with {_first_line(error)}"
                self._warn(f"{reason}: set jpeg_decoder to opencv")
            return None
        self._failures = 0
        return pixels

    def _decode(self, jpeg: PlainJpeg) -> np.ndarray:
        from torchvision.io import ImageReadMode, decode_jpeg  # type: ignore[import-not-found]

        mode = ImageReadMode.GRAY if jpeg.shape[0] == 1 else ImageReadMode.RGB
        file = torch.frombuffer(bytearray(jpeg.data), dtype=torch.uint8)
        with torch.cuda.stream(self._stream):
            self._synchronize()
            pixels = decode_jpeg(file, mode, self._device)
            self._synchronize()
            if pixels.shape != jpeg.shape:
                raise ValueError(f"pixels of shape {tuple(pixels.shape)}, expected {jpeg.shape}")
            return pixels.flip(0).permute(1, 2, 0).squeeze(2).contiguous().cpu().numpy()

    def _synchronize(self) -> None:
        """Wait for all streams: nvJPEG's hardware waits for none, and runs in one of torchvision's."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def open_nvjpeg(device: str, warn: Callable[[str], None]) -> TorchJpegDecoder:
    """Open nvJPEG; see `TorchJpegDecoder`.

    Args:
        device: Of the engine, "cpu" or "cuda:N".
        warn: Called once, with the reason, if the decoder gives up.

    Raises:
        EngineError: The device is not CUDA, or nvJPEG cannot be used.
    """
    if torch.device(device).type != "cuda":
        raise EngineError(f"the engine runs on {device}, expected cuda: set jpeg_decoder to opencv")
    return TorchJpegDecoder(torch.device(device), warn)


def plain_jpeg(data: bytes) -> PlainJpeg | None:
    """Reduce a complete JPEG to its tables, frame header and scan (ITU-T T.81, annex B).

    Application segments are dropped, since some broken EXIF headers make nvJPEG end the process. No pixel depends on
    them: components 1, 2 and 3 are YCbCr with and without a JFIF header, and OpenCV ignores the orientation here.

    Returns:
        None unless the file is one baseline scan of 8-bit grey or YCbCr samples with its tables. None for an APP14
        segment, by which Adobe states other colours, and for bytes between segments.
    """
    kept, frame, end = [JPEG_SIGNATURE], b"", len(JPEG_SIGNATURE)
    seen: set[int] = set()
    for marker, position in jpeg_markers(data):
        if _SCAN in seen:
            if marker != _END or not {_HUFFMAN, _QUANTIZATION} <= seen:
                return None
            height, width, channels = struct.unpack_from(">HHB", frame, 1)
            return PlainJpeg(b"".join([*kept, data[end:position]]), (channels, height, width))
        if position - 2 != end or marker not in _KEPT | _DROPPED:
            return None
        begin, end = end, position + int.from_bytes(data[position : position + 2], "big")
        if marker in _DROPPED:
            continue
        content = data[position + 2 : end]
        if marker == _FRAME:
            if frame or not _is_plain_frame(content):
                return None
            frame = content
        if marker == _SCAN and not _is_whole_scan(content, frame):
            return None
        kept.append(data[begin:end])
        seen.add(marker)
    return None


def _is_plain_frame(frame: bytes) -> bool:
    """Whether a frame header describes 8-bit grey or YCbCr samples of known size."""
    components = frame[6::3]
    return (
        frame[7::3] in _SAMPLING
        and len(frame) == 6 + 3 * frame[5]
        and frame[0] == 8
        and (len(components) == 1 or components == b"\1\2\3")
        and b"\0\0" not in (frame[1:3], frame[3:5])
    )


def _is_whole_scan(scan: bytes, frame: bytes) -> bool:
    """Whether a scan header names all components of the frame and all of their coefficients."""
    number = len(frame[6::3])
    return (
        len(scan) == 4 + 2 * number and scan[0] == number and scan[1:-3:2] == frame[6::3] and scan[-3:] == b"\0\x3f\0"
    )


def _first_line(error: Exception) -> str:
    """Type and text of an error; CUDA's go on with advice."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
