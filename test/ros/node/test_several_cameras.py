"""Two cameras on one engine, then one that sends JPEG, in one process that is reconfigured."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from bisenetformer_ros.msg import SegmentArray
from diagnostic_msgs.msg import DiagnosticStatus
from ros_graph import stamp_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from bisenetformer_ros.segmenter import Segmenter

FRONT, REAR = "/front/image_raw", "/rear/image_raw"


CAMERAS = Path(__file__).parents[3] / "config" / "cameras.yaml"


@pytest.fixture(scope="module")
def process(graph, start, weights):
    """Uses the example parameter file; later arguments override it."""
    others = {"model": weights, "score_threshold": 0.0, "max_age_ms": 0.0, "diagnostic_updater.period": 0.2}
    arguments = [part for name, value in others.items() for part in ("-p", f"{name}:={value}")]
    node = "bisenetformer_ros.ros.node.segmentation_node"
    process = start("-m", node, "--ros-args", "--params-file", str(CAMERAS), *arguments)
    graph.wait_until_active(process)
    return process


@pytest.fixture(scope="module")
def front(graph, process):
    with graph.camera(FRONT) as camera:
        yield camera


@pytest.fixture(scope="module")
def rear(graph, process):
    with graph.camera(REAR) as camera:
        yield camera


def test_every_camera_has_its_own_topics_and_status(graph, front, rear):
    topics = {"front/mask": Image, "rear/mask": Image, "front/camera_info": CameraInfo, "rear/segments": SegmentArray}
    header = Header(frame_id="rear_camera")
    with graph.listening(topics) as messages:

        def send() -> None:
            front.send(size=(48, 80))
            header.stamp = graph.node.get_clock().now().to_msg()
            rear.send(size=(40, 64), header=header)

        def are_well() -> bool:
            return DiagnosticStatus.ERROR not in (graph.status(FRONT).level, graph.status(REAR).level)

        graph.wait_for(lambda: all(messages.values()) and are_well(), "a message on every topic, all well", send)
    assert {(m.height, m.width, m.header.frame_id) for m in messages["front/mask"]} == {(48, 80, "front_camera")}
    assert {(m.height, m.width, m.header.frame_id) for m in messages["rear/mask"]} == {(40, 64, "rear_camera")}
    assert {m.width for m in messages["front/camera_info"]} == {80}
    names = [name for name, _ in graph.node.get_topic_names_and_types()]
    assert "/bisenetformer/mask" not in names
    graph.wait_for(lambda: graph.node.count_publishers("/bisenetformer/label_info") == 1, "the labels, once")


def test_labels_are_the_same_for_all_cameras(graph, process):
    infos = graph.collect(LabelInfo, "/bisenetformer/label_info", graph.latched)
    graph.wait_for(lambda: infos, "label_info")


def test_images_of_one_size_form_a_batch_and_are_not_mixed_up(graph, weights, front, rear):
    sent: dict[tuple, Image] = {}
    with graph.listening({"front/mask": Image, "rear/mask": Image}) as messages:

        def masks(name: str) -> list[tuple[Image, Image]]:
            """Pairs of sent images and their masks."""
            return [
                (sent[name, stamp], mask)
                for mask in messages[f"{name}/mask"]
                if (name, (stamp := stamp_of(mask))) in sent
            ]

        def send() -> None:
            for name, camera in (("front", front), ("rear", rear)):
                message = camera.send(size=(64, 96))
                sent[name, stamp_of(message)] = message

        graph.wait_for(lambda: all(len(masks(name)) >= 3 for name in ("front", "rear")), "three masks each", send)
        pairs = masks("front") + masks("rear")
    segment = Segmenter(weights, score_threshold=0.0)
    for picture, mask in pairs:
        expected = segment(np.frombuffer(picture.data, np.uint8).reshape(64, 96, 3)).label_map
        agreement = np.mean(np.frombuffer(mask.data, np.uint8).reshape(64, 96) == expected)
        assert agreement > 0.99  # a batch of two is summed in another order


def test_a_flooding_camera_does_not_starve_the_other(graph, front, rear):
    def count(topic: str, key: str) -> int:
        return int(graph.values(topic).get(key, 0))

    def totals(topic: str) -> list[int]:
        return [count(topic, f"total_{what}_frames") for what in ("received", "segmented", "dropped")]

    def is_segmented(sent: Image) -> None:
        masks = messages["rear/mask"]
        graph.wait_for(lambda: stamp_of(sent) in map(stamp_of, masks), "its mask", lambda: flood(front))

    with graph.listening({"front/mask": Image, "rear/mask": Image}) as messages:
        graph.wait_for(lambda: all(messages.values()), "a mask each", lambda: (front.send(), rear.send()))
        is_segmented(rear.send())  # so the frames before it have arrived, too
        graph.settle()
        before = totals(REAR)
        flooded = count(FRONT, "dropped.replaced_by_newer")
        for _ in range(5):
            is_segmented(rear.send())
        graph.wait_for(
            lambda: count(FRONT, "dropped.replaced_by_newer") > flooded, "a drop of the fast one", lambda: flood(front)
        )
        graph.settle()
    received, segmented, dropped = (after - b for after, b in zip(totals(REAR), before, strict=True))
    assert (received, segmented, dropped) == (5, 5, 0)
    for topic in (FRONT, REAR):
        received, segmented, dropped = totals(topic)
        assert received == segmented + dropped


def flood(camera) -> None:
    for _ in range(25):
        camera.send(size=(240, 320))


def test_only_outputs_with_subscribers_are_built(graph, front, rear):
    def both() -> None:
        front.send()
        rear.send()

    def are_idle() -> bool:
        return all(graph.status(topic).message.startswith("idle") for topic in (FRONT, REAR))

    graph.wait_for(are_idle, "idle cameras", both)
    graph.wait_for(lambda: graph.node.count_subscribers(REAR) == 0, "no subscription", both)
    graph.settle()
    before_front, before_rear = graph.values(FRONT), graph.values(REAR)
    with graph.listening({"front/overlay": Image}) as messages:
        graph.wait_for(lambda: len(messages["front/overlay"]) >= 2, "two overlays", both)
        assert graph.node.count_subscribers(REAR) == 0
        graph.settle()
    after_front, after_rear = graph.values(FRONT), graph.values(REAR)
    grown = {
        key for key, value in after_front.items() if key.startswith("published.") and value != before_front.get(key)
    }
    assert grown == {"published.overlay"}
    assert after_rear["total_received_frames"] == before_rear["total_received_frames"]


def test_missing_images_are_reported_for_their_camera(graph, front, rear):
    with graph.listening({"front/mask": Image, "rear/mask": Image}):

        def levels() -> list[bool]:
            return [graph.status(topic).level == DiagnosticStatus.ERROR for topic in (FRONT, REAR)]

        graph.wait_for(lambda: levels() == [False, True], "an error of the rear one alone", front.send)
        assert "publishes on /rear/image_raw, but nothing arrives" in graph.status(REAR).message


def test_cameras_are_read_on_configure(graph, process):
    accepted, reason = graph.set_parameter("cameras", ["left"])
    assert not accepted
    assert "cleanup" in reason
    assert graph.change_state("deactivate")
    assert graph.change_state("cleanup")
    accepted, reason = graph.set_parameter("cameras", ["left", "left"])
    assert (accepted, reason) == (False, "cameras: names must be unique, got left, left")
    assert graph.set_parameter("cameras", ["left"]) == (True, "")
    assert graph.set_parameter("image_transport", "compressed") == (True, "")
    assert graph.change_state("configure")
    graph.wait_for(lambda: graph.node.count_publishers("/bisenetformer/left/mask") == 1, "the new camera's mask")
    graph.wait_for(lambda: graph.node.count_publishers("/bisenetformer/front/mask") == 0, "the end of the old one's")


def test_jpeg_and_png_are_segmented(graph, process, weights):
    assert graph.change_state("activate")
    random = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    publisher = graph.node.create_publisher(CompressedImage, "/left/image_raw/compressed", 10)
    with graph.listening({"left/mask": Image}) as messages:
        for kind in ("jpeg", "png"):
            file = io.BytesIO()
            PIL.Image.fromarray(random).save(file, kind)
            message = CompressedImage(format=f"rgb8; {kind} compressed bgr8", data=file.getvalue())

            def send(kind: str = kind, message: CompressedImage = message) -> None:
                message.header = Header(stamp=graph.node.get_clock().now().to_msg(), frame_id=kind)
                publisher.publish(message)

            def masks(kind: str = kind) -> list[Image]:
                return [mask for mask in messages["left/mask"] if mask.header.frame_id == kind]

            graph.wait_for(masks, f"the mask of a {kind}", send)
    mask = masks()[0]
    assert (mask.height, mask.width) == (48, 80)
    expected = Segmenter(weights, score_threshold=0.0)(random).label_map
    assert np.mean(np.frombuffer(mask.data, np.uint8).reshape(48, 80) == expected) > 0.99
    graph.node.destroy_publisher(publisher)


def test_a_camera_added_again_restarts_its_counts_and_keeps_its_qos_override(graph, process):
    assert graph.change_state("deactivate")
    assert graph.change_state("cleanup")
    assert graph.set_parameter("cameras", ["front", "left"]) == (True, "")
    assert graph.set_parameter("image_transport", "raw") == (True, "")
    assert graph.change_state("configure")
    assert graph.change_state("activate")
    with graph.camera(FRONT) as camera, graph.listening({"front/mask": Image}) as messages:
        graph.wait_for(lambda: messages["front/mask"], "a mask", camera.send)
    assert "Traceback" not in process.output()
