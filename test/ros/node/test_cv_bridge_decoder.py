"""The route through cv_bridge against our own, on every encoding and layout. Needs a cv_bridge that can be imported."""

import numpy as np
import pytest
from sensor_msgs.msg import Image

from bisenetformer_ros.images.raw import ENCODINGS, BadFrameError, decode_image
from bisenetformer_ros.ros.node.cv_bridge_decoder import Bridge, decode, open_bridge

ITEM_BYTES = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono16": 2, "yuv422": 2, "yuv422_yuy2": 2}
ITEM_BYTES |= {"uyvy": 2, "yuyv": 2}
SIZES = [(48, 64), (5, 7), (6, 8), (3, 3), (4, 5)]

needs_cv_bridge = pytest.mark.skipif(
    open_bridge().bridge is None, reason=f"no cv_bridge to compare with: {open_bridge().reason}"
)


def random_image(encoding: str, size: tuple[int, int], padding: int) -> Image:
    height, width = size
    lines = height + (height + 1) // 2 if encoding.startswith("nv") else height
    step = width * ITEM_BYTES.get(encoding, 1) + padding
    data = np.random.default_rng(0).integers(0, 256, step * lines, np.uint8).tobytes()
    return Image(height=height, width=width, encoding=encoding, step=step, data=data)


@needs_cv_bridge
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_both_routes_give_the_same_pixels(encoding):
    for size in SIZES:
        for padding in (0, 1, 12):
            message = random_image(encoding, size, padding)
            np.testing.assert_array_equal(decode(message), decode_image(message), err_msg=f"{size}, {padding}")


@needs_cv_bridge
def test_big_endian_is_the_same_on_both_routes():
    message = random_image("mono16", (6, 8), padding=0)
    message.is_bigendian = 1
    np.testing.assert_array_equal(decode(message), decode_image(message))


@needs_cv_bridge
def test_cv_bridge_is_trusted_with_every_encoding_that_it_knows():
    """If it is trusted with less, its pixels are no longer ours."""
    known = [encoding for encoding in ENCODINGS if is_known(encoding) and encoding != "rgb8"]
    assert known
    assert open_bridge().encodings == set(known)
    assert str(open_bridge()).startswith("cv_bridge for bayer_bggr8, ")


def is_known(encoding: str) -> bool:
    try:
        open_bridge().bridge.imgmsg_to_cv2(random_image(encoding, (6, 8), padding=0), "rgb8")
    except TypeError:  # CvBridgeError: cv_bridge of Humble to Kilted knows neither NV12 nor the short names of YUV
        return False
    return True


@needs_cv_bridge
def test_cv_bridge_is_really_asked(monkeypatch):
    asked = []
    real = open_bridge().bridge.imgmsg_to_cv2
    monkeypatch.setattr(open_bridge().bridge, "imgmsg_to_cv2", lambda *a: asked.append(a) or real(*a))
    for encoding in ("bgr8", "nv12", "rgb8"):
        decode(random_image(encoding, (48, 64), padding=0))
    assert [message.encoding for message, _ in asked] == ["bgr8"]


def test_without_cv_bridge_everything_goes_our_way(monkeypatch):
    none = Bridge(None, frozenset(), "cv_bridge cannot be used: ModuleNotFoundError: No module named 'cv_bridge'")
    monkeypatch.setattr("bisenetformer_ros.ros.node.cv_bridge_decoder.open_bridge", lambda: none)
    for encoding in ENCODINGS:
        message = random_image(encoding, (6, 8), padding=0)
        np.testing.assert_array_equal(decode(message), decode_image(message))
    assert str(none).startswith("OpenCV (cv_bridge cannot be used: ModuleNotFoundError")


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
def test_wrong_messages_are_refused_before_cv_bridge_sees_them(change, kind):
    message = random_image("bgr8", (48, 64), padding=0)
    for field, value in change.items():
        setattr(message, field, value)
    with pytest.raises(BadFrameError) as refusal:
        decode(message)
    assert refusal.value.kind == kind
