"""The camera of the demo, heard by another process."""

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from bisenetformer_ros.images.frame_geometry import FrameGeometry

SIZE = (12, 16)
TOPICS = {"image_raw": Image, "camera_info": CameraInfo, "depth/image": Image, "depth/camera_info": CameraInfo}
NUM_FRAMES = 100


def test_image_calibration_and_depth_of_a_frame_have_one_stamp(graph, start, tmp_path):
    """Frame N is of grey N, has the focal length 50 + N and depth from N metres on, without end in one corner."""
    rows = np.arange(SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE) / 8
    for number in range(NUM_FRAMES):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), np.full((*SIZE, 3), number, np.uint8))
        matrix = np.array([[50.0 + number, 0, 8.25], [0, 50.0 + number, 5.5], [0, 0, 1]])
        depth = rows + number
        depth[0, 0] = np.inf
        FrameGeometry(matrix, depth).save(tmp_path / f"{number:03d}.npz")
    received = {topic: graph.collect(kind, f"/camera/{topic}") for topic, kind in TOPICS.items()}

    def complete():
        """Messages of a frame of which every topic's has arrived: any single one may be lost."""
        of_topic = [{(m.header.stamp.sec, m.header.stamp.nanosec): m for m in received[topic]} for topic in TOPICS]
        stamps = set.intersection(*map(set, of_topic))
        return [messages[min(stamps)] for messages in of_topic] if stamps else None

    module = "bisenetformer_ros.ros.replay.camera_player"
    options = ["--frames", str(NUM_FRAMES), "--rate", "2", "--subscribers", "1"]
    start("-m", module, str(tmp_path), "--geometry", str(tmp_path), *options)
    image, info, depth, depth_info = graph.wait_for(complete, "a frame on all topics")
    number = image.data[0]
    assert (depth.encoding, depth.height, depth.width) == ("32FC1", *SIZE)
    meters = np.frombuffer(depth.data, np.float32).reshape(SIZE)
    assert meters[0, 0] == np.inf
    np.testing.assert_array_equal(meters.ravel()[1:], (rows + number).ravel()[1:])
    for calibration in (info, depth_info):
        assert calibration.header == image.header
        assert (calibration.height, calibration.width) == SIZE
        assert calibration.k.tolist() == [50 + number, 0, 8.25, 0, 50 + number, 5.5, 0, 0, 1]
