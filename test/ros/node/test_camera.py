"""Where the node looks for the calibration, and what it reports where there is none."""

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image

NODE = ("-m", "bisenetformer_ros.ros.node.segmentation_node", "--ros-args")
TOPIC = "/front/image"
WIDTHS = {"plain": 100, "beside": 200}


def remapped(**remappings: str) -> list[str]:
    """Arguments that remap names; `__` stands for a slash."""
    return [part for name, to in remappings.items() for part in ("-r", f"{name.replace('__', '/')}:={to}")]


@pytest.fixture(scope="module")
def process(graph, start, weights):
    """A node whose images are remapped and whose camera_info is not."""
    parameters = ["-p", f"model:={weights}", "-p", "task:=semantic", "-p", "diagnostic_updater.period:=0.2"]
    process = start(*NODE, *remapped(image_raw=TOPIC), *parameters)
    graph.wait_until_active(process)
    return process


@pytest.fixture
def images(graph, process):
    """Publish an image without a calibration."""
    publisher = graph.node.create_publisher(Image, TOPIC, 10)

    def send() -> None:
        message = Image(height=48, width=80, encoding="mono8", step=80, data=bytes(48 * 80))
        message.header.stamp = graph.node.get_clock().now().to_msg()
        publisher.publish(message)

    yield send
    graph.node.destroy_publisher(publisher)


def test_without_a_calibration_the_topics_that_have_one_are_named(graph, images):
    def value() -> str:
        return graph.values(TOPIC).get("camera_info", "")

    nothing = "no publisher on /front/camera_info nor on any other topic"
    graph.wait_for(lambda: value().startswith(nothing), nothing, images)
    calibration = graph.node.create_publisher(CameraInfo, "/front/calibration", 10)
    elsewhere = (
        "no publisher on /front/camera_info; camera_info is published on /front/calibration: "
        "start the node with `--ros-args -r camera_info:=/front/calibration`"
    )
    graph.wait_for(lambda: value() == elsewhere, elsewhere, images)
    with graph.listening({"mask": Image}):  # nobody misses the calibration
        graph.wait_for_status(TOPIC, DiagnosticStatus.OK, "segmenting", every=images)
    with graph.listening({"camera_info": CameraInfo}):
        graph.wait_for_status(TOPIC, DiagnosticStatus.WARN, "no calibration", elsewhere, every=images)
    graph.node.destroy_publisher(calibration)


def test_a_silent_publisher_of_the_calibration_is_named(graph, images):
    calibration = graph.node.create_publisher(CameraInfo, "/front/camera_info", 10)
    with graph.listening({"camera_info": CameraInfo}):
        words = "/test has published nothing on /front/camera_info"
        graph.wait_for_status(TOPIC, DiagnosticStatus.WARN, words, every=images)
    graph.node.destroy_publisher(calibration)


def test_the_plain_name_is_the_second_choice(graph, images):
    """It is used while it alone is published, and left when the topic beside the images is."""
    plain = graph.node.create_publisher(CameraInfo, "/camera_info", 10)
    with graph.listening({"camera_info": CameraInfo}) as messages:

        def republishes(width: int) -> bool:
            return any(message.width == width for message in messages["camera_info"])

        def send(**publishers) -> None:
            for name, publisher in publishers.items():
                publisher.publish(CameraInfo(width=WIDTHS[name], height=48))
            images()

        graph.wait_for(lambda: republishes(WIDTHS["plain"]), "the calibration", lambda: send(plain=plain))
        graph.wait_for(lambda: graph.values(TOPIC)["camera_info"] == "/camera_info", "its topic", images)
        beside = graph.node.create_publisher(CameraInfo, "/front/camera_info", 10)
        graph.wait_for(lambda: republishes(WIDTHS["beside"]), "the other one", lambda: send(plain=plain, beside=beside))
        graph.wait_for(lambda: graph.node.count_subscribers("/camera_info") == 0, "the plain one is left")
    graph.node.destroy_publisher(plain)
    graph.node.destroy_publisher(beside)


def test_the_calibration_beside_remapped_images_is_republished(graph, process):
    with graph.camera(TOPIC) as camera, graph.listening({"camera_info": CameraInfo}) as messages:
        last = messages["camera_info"]  # the first ones may hold the calibration of an earlier camera
        graph.wait_for(lambda: last and last[-1].width == 80, "the calibration", camera.send)
        graph.wait_for_status(TOPIC, DiagnosticStatus.OK, "segmenting", every=camera.send)
        graph.wait_for(lambda: graph.values(TOPIC)["camera_info"] == "/front/camera_info", "its topic", camera.send)


def test_every_camera_has_its_own_and_a_remapped_topic_is_kept(graph, start, weights):
    """Of compressed images, the transport's suffix is not part of the name that they lie beside."""
    remappings = remapped(left__image_raw="/l/image", right__image_raw="/r/image", right__camera_info="/r/info")
    parameters = ["-p", f"model:={weights}", "-p", "image_transport:=compressed", "-p", "cameras:=[left,right,up]"]
    process = start(*NODE, *remappings, *parameters, "-r", "__node:=several")
    for camera in ("left", "right", "up"):
        graph.collect(Image, f"/several/{camera}/mask")
    expected = {
        "/l/image/compressed": "/l/camera_info",
        "/r/image/compressed": "/r/info",
        "/up/image_raw/compressed": "/up/camera_info",
    }
    topics = {*expected, *expected.values()}
    count = graph.node.count_subscribers
    graph.wait_for(
        lambda: all(map(count, topics)) or not process.alive(), f"subscriptions to {', '.join(sorted(topics))}"
    )
    assert process.alive(), process.output()
    assert count("/r/camera_info") == 0
