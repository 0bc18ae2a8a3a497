"""Everything that is done to a node to see it go on: the name of each fault, and where it is counted.

docs/faults.md has the same list; test_faults.py compares the two.
"""

import io
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

HUGE = 4_000_000_000
LONG_ROW = 2_100_000


@dataclass(frozen=True)
class Fault:
    """key: in the diagnostics of the camera, unless the docs say otherwise.

    changes: the fields of a good rgb8 image of 48x80, or of a good JPEG of that size, that are replaced.
    """

    name: str
    key: str
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def stamped(sec: int, nanosec: int = 0) -> dict[str, Any]:
    return {"header": Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id="front_camera")}


def picture(kind: str, size: tuple[int, int] = (48, 80)) -> bytes:
    """A file with noise of (height, width) in it."""
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(noise).save(file, kind)
    return file.getvalue()


BAD = "dropped.bad_input."
WRONG_LENGTH, NO_SIZE, SHORT_STEP = f"{BAD}wrong_data_length", f"{BAD}zero_size", f"{BAD}step_too_small"
ENCODING, TOO_SMALL, TOO_LARGE = f"{BAD}unknown_encoding", f"{BAD}too_small", f"{BAD}too_large"
BACK, INVALID, DAMAGED = f"{BAD}time_went_back", f"{BAD}invalid_stamp", f"{BAD}damaged_file"

RAW = (
    Fault("data one byte short", WRONG_LENGTH, {"data": bytes(48 * 240 - 1)}),
    Fault("data one byte long", WRONG_LENGTH, {"data": bytes(48 * 240 + 1)}),
    Fault("empty data", WRONG_LENGTH, {"data": b""}),
    Fault("height 0", NO_SIZE, {"height": 0}),
    Fault("width 0", NO_SIZE, {"width": 0}),
    Fault("all fields zero", NO_SIZE, {"height": 0, "width": 0, "step": 0, "data": b"", "encoding": ""}),
    Fault("height 4e9", WRONG_LENGTH, {"height": HUGE}),
    Fault("width 4e9", SHORT_STEP, {"width": HUGE}),
    Fault("height and width 4e9", SHORT_STEP, {"height": HUGE, "width": HUGE}),
    Fault("step 4e9", WRONG_LENGTH, {"step": HUGE}),
    Fault(
        "row of 2.1 million pixels",
        TOO_LARGE,
        {"encoding": "mono8", "height": 1, "width": LONG_ROW, "step": LONG_ROW, "data": bytes(LONG_ROW)},
    ),
    Fault("step shorter than a row", SHORT_STEP, {"step": 239}),
    Fault("step 0", SHORT_STEP, {"step": 0}),
    Fault("depth encoding", ENCODING, {"encoding": "32FC1"}),
    Fault("empty encoding", ENCODING, {"encoding": ""}),
    Fault("encoding in capitals", ENCODING, {"encoding": "RGB8"}),
    Fault("encoding of 100,000 characters", ENCODING, {"encoding": "rgb8" * 25_000}),
    Fault("encoding with a line break", ENCODING, {"encoding": "rgb8\n[ERROR]"}),
    Fault(
        "Bayer image of 2x2 pixels",
        TOO_SMALL,
        {"encoding": "bayer_rggb8", "height": 2, "width": 2, "step": 2, "data": b"1234"},
    ),
    Fault("truncated Bayer image", WRONG_LENGTH, {"encoding": "bayer_rggb8", "step": 80, "data": bytes(48 * 80 - 1)}),
    Fault("nv12 without chroma", WRONG_LENGTH, {"encoding": "nv12", "step": 80, "data": bytes(48 * 80)}),
    Fault("stamp 0", BACK, stamped(0)),
    Fault("stamp in the past", BACK, stamped(1)),
    Fault("negative stamp", BACK, stamped(-2_000_000_000)),
    Fault("invalid stamp", INVALID, stamped(1, HUGE)),
)
"""Each costs one frame."""

ODD = (
    Fault("different size", "num_format_changes", {"size": (33, 47)}),
    Fault("different encoding", "num_format_changes", {"encoding": "bgr8"}),
    Fault("stamp in the future", "num_stamp_leaps", stamped(2_000_000_000)),
)
"""Frames that are segmented all the same."""

JPEG, PNG = picture("jpeg"), picture("png")
SIZE_IN_JPEG = b"\xff\xc0\0\x11\x08"
"""What comes before height and width: SOF0, the length of the segment, the bits of a sample."""
AT = JPEG.index(SIZE_IN_JPEG) + len(SIZE_IN_JPEG)
IHDR = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
BOMB = b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + IHDR + zlib.crc32(IHDR).to_bytes(4, "big")
CHUNK = PNG.index(b"IDAT") - 4

FILES = (
    Fault("empty file", ENCODING, {"data": b""}),
    Fault("file of zeros", ENCODING, {"data": bytes(1000)}),
    Fault("text file", ENCODING, {"data": b"not a picture"}),
    Fault("H.264 frame", ENCODING, {"data": b"\0\0\0\1\x67" + bytes(99), "form": "h264"}),
    Fault("compressedDepth image", ENCODING, {"data": bytes(12) + PNG, "form": "16UC1; compressedDepth png"}),
    Fault("GIF", ENCODING, {"data": picture("gif"), "form": "gif"}),
    Fault("format of 100,000 characters", ENCODING, {"data": b"?", "form": "jpeg " * 20_000}),
    Fault("first two bytes of a JPEG", DAMAGED, {"data": JPEG[:2]}),
    Fault("half a JPEG", DAMAGED, {"data": JPEG[: len(JPEG) // 2]}),
    Fault("JPEG without image data", DAMAGED, {"data": JPEG[: AT - len(SIZE_IN_JPEG)] + JPEG[-2:]}),
    Fault("JPEG header with 4.3 gigapixels", TOO_LARGE, {"data": JPEG[:AT] + b"\xff\xdc" * 2 + JPEG[AT + 4 :]}),
    Fault("PNG without its end", DAMAGED, {"data": PNG[:-12]}),
    Fault("PNG with a corrupt byte", DAMAGED, {"data": PNG[:500] + bytes([PNG[500] ^ 0xFF]) + PNG[501:]}),
    Fault("PNG header with 3.6 gigapixels", TOO_LARGE, {"data": BOMB}),
    Fault("PNG chunk of 4 GB", DAMAGED, {"data": PNG[:CHUNK] + b"\xff" * 4 + PNG[CHUNK + 4 :]}),
)
"""Each costs one frame."""

ODD_FILES = (
    Fault("file of a different size", "num_format_changes", {"data": picture("jpeg", (40, 40))}),
    Fault("PNG declared as JPEG", "total_segmented_frames", {"data": PNG, "form": "jpeg"}),
    Fault("WebP", "total_segmented_frames", {"data": picture("webp"), "form": "webp"}),
    Fault("meaningless format", "total_segmented_frames", {"data": JPEG, "form": ";;\0 compressed"}),
)
"""Frames that are segmented all the same."""

REPEATED = Fault("repeated stamp", "num_non_increasing_msg")
TOO_OLD = Fault("image older than max_age_ms", "dropped.too_old")
NOT_A_NUMBER = Fault("NaN or infinity in CameraInfo", "num_bad_camera_info")
OTHER_CALIBRATION = Fault("CameraInfo of a different size", "num_other_camera_info")
BURST = Fault("burst of images", "dropped.replaced_by_newer")
SILENCE = Fault("no images", "total_received_frames")
SECOND_PUBLISHER = Fault("second publisher", "num_publishers")
KILLED_CAMERA = Fault("camera killed with SIGKILL and restarted", "num_publishers")
STALLED_LISTENER = Fault("stalled subscriber", "published.mask")
SITUATIONS = (
    *(REPEATED, TOO_OLD, NOT_A_NUMBER, OTHER_CALIBRATION, BURST),
    *(SILENCE, SECOND_PUBLISHER, KILLED_CAMERA, STALLED_LISTENER),
)

EVERY = (*RAW, *ODD, *FILES, *ODD_FILES, *SITUATIONS)
"""Of those that come over a topic."""
