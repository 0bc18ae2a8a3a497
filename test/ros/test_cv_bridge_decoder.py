"""Decoding with cv_bridge against decoding without it, on every encoding and layout. Most tests need cv_bridge."""

import sys

import numpy as np
import pytest
from sensor_msgs.msg import Image

from bisenetformer_ros.images.raw import ENCODINGS, BadFrameError, decode_image
from bisenetformer_ros.ros.cv_bridge_decoder import decode, open_bridge

ITEM_BYTES = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "yuv422": 2, "yuv422_yuy2": 2, "uyvy": 2, "yuyv": 2}
ITEM_BYTES |= {"8UC3": 3, "8UC4": 4, "rgb16": 6, "bgr16": 6, "rgba16": 8, "bgra16": 8}
SIZES = [(48, 64), (5, 7), (6, 8), (3, 3), (4, 5)]

BRIDGE, BRIDGE_ENCODINGS, DESCRIPTION = open_bridge()
needs_cv_bridge = pytest.mark.skipif(BRIDGE is None, reason=DESCRIPTION)


def random_image(encoding: str, size: tuple[int, int], padding: int) -> Image:
    height, width = size
    step = width * ITEM_BYTES.get(encoding, 2 if encoding.endswith("16") else 1) + padding
    chroma = {"nv24": 2 * height * step, "i420": 2 * ((height + 1) // 2) * ((step + 1) // 2)}
    chroma |= dict.fromkeys(("nv12", "nv21"), (height + 1) // 2 * step)
    length = height * step + chroma.get(encoding, 0)
    data = np.random.default_rng(0).integers(0, 256, length, np.uint8).tobytes()
    return Image(height=height, width=width, encoding=encoding, step=step, data=data)


@needs_cv_bridge
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_both_decoders_give_the_same_pixels(encoding):
    for size in SIZES:
        for padding in (0, 1, 12):
            message = random_image(encoding, size, padding)
            np.testing.assert_array_equal(decode(message), decode_image(message), err_msg=f"{size}, {padding}")


@needs_cv_bridge
def test_big_endian_images_decode_equally():
    message = random_image("mono16", (6, 8), padding=0)
    message.is_bigendian = 1
    np.testing.assert_array_equal(decode(message), decode_image(message))


@needs_cv_bridge
def test_cv_bridge_is_used_for_every_encoding_that_it_supports():
    """If it is used for fewer, its pixels no longer equal ours. It cannot be told the bit depth of 16-bit samples."""
    own = {"rgb8", *(encoding for encoding in ENCODINGS if encoding.endswith("16"))}
    supported = [encoding for encoding in ENCODINGS if is_supported(encoding) and encoding not in own]
    assert supported
    assert sorted(supported) == BRIDGE_ENCODINGS
    assert DESCRIPTION.startswith("cv_bridge for bayer_bggr8, ")


def is_supported(encoding: str) -> bool:
    try:
        BRIDGE.imgmsg_to_cv2(random_image(encoding, (6, 8), padding=0), "rgb8")
    except TypeError:  # CvBridgeError: cv_bridge of Humble to Kilted supports neither NV12 nor the short names of YUV
        return False
    return True


@needs_cv_bridge
def test_cv_bridge_is_called(monkeypatch):
    calls = []
    real = BRIDGE.imgmsg_to_cv2
    monkeypatch.setattr(BRIDGE, "imgmsg_to_cv2", lambda *a: calls.append(a) or real(*a))
    for encoding in ("bgr8", "nv12", "rgb8"):
        decode(random_image(encoding, (48, 64), padding=0))
    assert [message.encoding for message, _ in calls] == ["bgr8"]


@pytest.fixture
def reopened():
    """Forget the bridge of this process before and after a test that changes what `import cv_bridge` gives."""
    open_bridge.cache_clear()
    yield
    open_bridge.cache_clear()


def test_without_cv_bridge_opencv_decodes_everything(monkeypatch, reopened):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)  # so that importing it raises
    for encoding in ENCODINGS:
        message = random_image(encoding, (6, 8), padding=0)
        np.testing.assert_array_equal(decode(message), decode_image(message))
    assert open_bridge()[2].startswith("OpenCV (cv_bridge is not usable: ModuleNotFoundError")


@needs_cv_bridge
def test_an_encoding_with_wrong_pixels_is_left_to_opencv(monkeypatch, reopened):
    real = type(BRIDGE).imgmsg_to_cv2

    def swapped(self, message, desired_encoding):
        pixels = real(self, message, desired_encoding)
        return pixels[..., ::-1] if message.encoding == "bgr8" else pixels

    monkeypatch.setattr(type(BRIDGE), "imgmsg_to_cv2", swapped)
    assert open_bridge()[1] == [encoding for encoding in BRIDGE_ENCODINGS if encoding != "bgr8"]
    message = random_image("bgr8", (48, 64), padding=0)
    np.testing.assert_array_equal(decode(message), decode_image(message))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"height": 0}, "zero_size"),
        ({"step": 100}, "step_too_small"),
        ({"height": 49}, "wrong_data_length"),
        ({"height": 47}, "wrong_data_length"),
        ({"encoding": "BGR8"}, "unknown_encoding"),
    ],
)
def test_bad_messages_do_not_reach_cv_bridge(change, kind):
    message = random_image("bgr8", (48, 64), padding=0)
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(BadFrameError) as refusal:
        decode(message)
    assert refusal.value.kind == kind
