"""Outputs that are made of the same picture."""

import numpy as np
from std_msgs.msg import Header

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros.node.outputs import ImageOutput, SegmentedFrame


def frame_of(value: int) -> SegmentedFrame:
    flat = np.full((2, 3), value, np.uint8)
    return SegmentedFrame(
        header=Header(frame_id=f"camera {value}"),
        rgb=np.repeat(flat[..., None], 3, axis=2),
        result=SegmentationResult(flat, flat),
        labels=LabelMap.anonymous(20),
        overlay_alpha=0.5,
        camera_info=None,
        tracker=None,
    )


def test_a_picture_is_drawn_once_per_frame_however_many_outputs_show_it():
    drawn = []

    def draw(frame, out):
        drawn.append(frame)
        np.copyto(out, frame.rgb)

    output = ImageOutput(draw, channels=(3,))
    for value in (7, 8):
        frame = frame_of(value)
        message = output.build(frame)
        assert (message.header.frame_id, bytes(message.data)) == (f"camera {value}", bytes([value] * 18))
        np.testing.assert_array_equal(output.pixels(frame), frame.rgb)
        assert drawn[-1] is frame
    assert len(drawn) == 2
