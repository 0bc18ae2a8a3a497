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
    Fault("a byte too few", WRONG_LENGTH, {"data": bytes(48 * 240 - 1)}),
    Fault("a byte too many", WRONG_LENGTH, {"data": bytes(48 * 240 + 1)}),
    Fault("no data", WRONG_LENGTH, {"data": b""}),
    Fault("no height", NO_SIZE, {"height": 0}),
    Fault("no width", NO_SIZE, {"width": 0}),
    Fault("a message of zeros", NO_SIZE, {"height": 0, "width": 0, "step": 0, "data": b"", "encoding": ""}),
    Fault("four thousand million rows", WRONG_LENGTH, {"height": HUGE}),
    Fault("four thousand million columns", SHORT_STEP, {"width": HUGE}),
    Fault("four thousand million of both", SHORT_STEP, {"height": HUGE, "width": HUGE}),
    Fault("four thousand million bytes per row", WRONG_LENGTH, {"step": HUGE}),
    Fault(
        "a row of two million pixels",
        TOO_LARGE,
        {"encoding": "mono8", "height": 1, "width": LONG_ROW, "step": LONG_ROW, "data": bytes(LONG_ROW)},
    ),
    Fault("a step shorter than a row", SHORT_STEP, {"step": 239}),
    Fault("no step", SHORT_STEP, {"step": 0}),
    Fault("an encoding of depth", ENCODING, {"encoding": "32FC1"}),
    Fault("no encoding", ENCODING, {"encoding": ""}),
    Fault("an encoding in capitals", ENCODING, {"encoding": "RGB8"}),
    Fault("an encoding of 100,000 letters", ENCODING, {"encoding": "rgb8" * 25_000}),
    Fault("an encoding that breaks the line", ENCODING, {"encoding": "rgb8\n[ERROR]"}),
    Fault(
        "a mosaic of four pixels",
        TOO_SMALL,
        {"encoding": "bayer_rggb8", "height": 2, "width": 2, "step": 2, "data": b"1234"},
    ),
    Fault("a mosaic that is cut", WRONG_LENGTH, {"encoding": "bayer_rggb8", "step": 80, "data": bytes(48 * 80 - 1)}),
    Fault("nv12 without its colours", WRONG_LENGTH, {"encoding": "nv12", "step": 80, "data": bytes(48 * 80)}),
    Fault("no stamp", BACK, stamped(0)),
    Fault("a stamp from the past", BACK, stamped(1)),
    Fault("a stamp before all time", BACK, stamped(-2_000_000_000)),
    Fault("a stamp that is no time", INVALID, stamped(1, HUGE)),
)
"""Each costs one frame."""

ODD = (
    Fault("another size", "num_format_changes", {"size": (33, 47)}),
    Fault("another encoding", "num_format_changes", {"encoding": "bgr8"}),
    Fault("a stamp from the future", "num_stamp_leaps", stamped(2_000_000_000)),
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
    Fault("a file of 0 bytes", ENCODING, {"data": b""}),
    Fault("a file of zeros", ENCODING, {"data": bytes(1000)}),
    Fault("text", ENCODING, {"data": b"not a picture"}),
    Fault("a video", ENCODING, {"data": b"\0\0\0\1\x67" + bytes(99), "form": "h264"}),
    Fault("a GIF", ENCODING, {"data": picture("gif"), "form": "gif"}),
    Fault("a format of 100,000 letters", ENCODING, {"data": b"?", "form": "jpeg " * 20_000}),
    Fault("two bytes of a JPEG", DAMAGED, {"data": JPEG[:2]}),
    Fault("half a JPEG", DAMAGED, {"data": JPEG[: len(JPEG) // 2]}),
    Fault("a JPEG without a picture", DAMAGED, {"data": JPEG[: AT - len(SIZE_IN_JPEG)] + JPEG[-2:]}),
    Fault(
        "a JPEG that claims to have 4.3 gigapixels", TOO_LARGE, {"data": JPEG[:AT] + b"\xff\xdc" * 2 + JPEG[AT + 4 :]}
    ),
    Fault("a PNG without its end", DAMAGED, {"data": PNG[:-12]}),
    Fault("a PNG with a wrong byte", DAMAGED, {"data": PNG[:500] + bytes([PNG[500] ^ 0xFF]) + PNG[501:]}),
    Fault("a PNG that claims to have 3.6 gigapixels", TOO_LARGE, {"data": BOMB}),
    Fault("a PNG that claims to go on for 4 GB", DAMAGED, {"data": PNG[:CHUNK] + b"\xff" * 4 + PNG[CHUNK + 4 :]}),
)
"""Each costs one frame."""

ODD_FILES = (
    Fault("a file of another size", "num_format_changes", {"data": picture("jpeg", (40, 40))}),
    Fault("a PNG that is called a JPEG", "total_segmented_frames", {"data": PNG, "form": "jpeg"}),
    Fault("a format that is nonsense", "total_segmented_frames", {"data": JPEG, "form": ";;\0 compressed"}),
)
"""Frames that are segmented all the same."""

REPEATED = Fault("a stamp that repeats", "num_non_increasing_msg")
TOO_OLD = Fault("an image older than max_age_ms", "dropped.too_old")
NOT_A_NUMBER = Fault("NaN or infinity in CameraInfo", "num_bad_camera_info")
OTHER_CALIBRATION = Fault("CameraInfo of another size", "num_other_camera_info")
BURST = Fault("a burst of images", "dropped.replaced_by_newer")
SILENCE = Fault("silence", "total_received_frames")
SECOND_PUBLISHER = Fault("a second publisher", "num_publishers")
KILLED_CAMERA = Fault("a camera that is killed with -9 and started again", "num_publishers")
STALLED_LISTENER = Fault("a listener that stalls", "published.mask")
SITUATIONS = (
    *(REPEATED, TOO_OLD, NOT_A_NUMBER, OTHER_CALIBRATION, BURST),
    *(SILENCE, SECOND_PUBLISHER, KILLED_CAMERA, STALLED_LISTENER),
)

EVERY = (*RAW, *ODD, *FILES, *ODD_FILES, *SITUATIONS)
"""Of those that come over a topic."""
