"""The node as a process, tested over ROS only. Tests that restore its state share one process."""

import itertools
import signal

import cv2
import numpy as np
import pytest
import yaml
from bisenetformer_ros.msg import LabelMap as LabelMapMessage
from bisenetformer_ros.msg import Latency, SegmentArray
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_graph import stamp_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray, LabelInfo

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.resources import share_dir

SEMANTIC = {"mask": Image, "confidence": Image, "color_mask": Image, "overlay": Image, "camera_info": CameraInfo}
PANOPTIC = {"panoptic": Image, "segments": SegmentArray, "detections": Detection2DArray}
COMPRESSED = {f"{topic}/compressed": CompressedImage for topic in ("mask", "panoptic", "overlay")}
ALL = SEMANTIC | PANOPTIC | COMPRESSED | {"latency": Latency}
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
EVERYTHING = {"score_threshold": "0.0", "overlap_threshold": "0.0"}
"""Thresholds with which random weights yield segments."""


TRANSITIONS = 100


def pixels_of(message: Image) -> np.ndarray:
    dtype = np.uint16 if message.encoding == "mono16" else np.uint8
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width, -1)


def complete_set(messages: dict[str, list]) -> dict | None:
    """Topic → message, for the first stamp that has arrived on every topic."""
    by_stamp = {topic: {stamp_of(message): message for message in found} for topic, found in messages.items()}
    common = set.intersection(*(set(found) for found in by_stamp.values()))
    return {topic: found[min(common)] for topic, found in by_stamp.items()} if common else None


@pytest.fixture(scope="module")
def process(graph, start_node, weights):
    process = start_node({"model": str(weights), **EVERYTHING})
    graph.wait_until_active(process)
    return process


@pytest.fixture
def outputs(graph, camera):
    """A message of every topic for the same camera image, and the images that were sent.

    They show the same: for 3 in 100 random pictures the network finds nothing but one class.
    """
    sent = []
    data = np.random.default_rng(0).integers(0, 256, 3 * 48 * 80, np.uint8).tobytes()
    with graph.listening(ALL) as messages:
        found = graph.wait_for(
            lambda: complete_set(messages), "one frame on every topic", lambda: sent.append(camera.send(data=data))
        )
    return found | {"sent": sent}


def test_every_output_carries_stamp_and_frame_of_its_image(outputs):
    sent = {stamp_of(message): message for message in outputs.pop("sent")}
    for topic, message in outputs.items():
        assert message.header == sent[stamp_of(message)].header, topic
    for detection in outputs["detections"].detections:
        assert detection.header == outputs["detections"].header


def test_images_have_the_documented_size_and_encoding(outputs):
    encodings = {"mask": "mono8", "confidence": "mono8", "panoptic": "mono16", "color_mask": "rgb8", "overlay": "rgb8"}
    for topic, encoding in encodings.items():
        message = outputs[topic]
        assert (message.height, message.width, message.encoding) == (48, 80, encoding), topic
    assert (outputs["camera_info"].width, outputs["camera_info"].header.frame_id) == (80, "front_camera")


def test_panoptic_segments_and_mask_are_consistent(outputs):
    panoptic, mask = pixels_of(outputs["panoptic"]), pixels_of(outputs["mask"])
    segments = outputs["segments"].segments
    assert segments
    assert {segment.id for segment in segments} == set(np.unique(panoptic)) - {0}
    for segment in segments:
        owned = panoptic[..., 0] == segment.id
        assert segment.area == owned.sum()
        assert set(mask[owned].flat) == {segment.class_id}
        rows, columns = np.nonzero(owned)
        box = segment.box
        assert (box.x_offset, box.y_offset) == (columns.min(), rows.min())
        assert (box.width, box.height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
    things = [(str(s.id), str(s.class_id)) for s in segments if s.is_thing]
    assert [(d.id, d.results[0].hypothesis.class_id) for d in outputs["detections"].detections] == things


def test_color_mask_is_the_mask_in_the_colors_of_the_label_map(outputs):
    palette = LabelMap.load("camvid11").palette
    np.testing.assert_array_equal(pixels_of(outputs["color_mask"]), palette[pixels_of(outputs["mask"])[..., 0]])


@pytest.mark.parametrize(("topic", "encoding"), [("mask", "mono8"), ("panoptic", "mono16")])
def test_compressed_ids_are_equal_to_the_raw_ones(outputs, topic, encoding):
    raw, compressed = outputs[topic], outputs[f"{topic}/compressed"]
    assert compressed.format == f"{encoding}; png compressed "
    decoded = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (decoded.dtype.itemsize * 8, decoded.shape) == (int(encoding.removeprefix("mono")), (48, 80))
    assert len(set(decoded.flat)) > 1
    np.testing.assert_array_equal(decoded, pixels_of(raw)[..., 0])


def test_the_compressed_overlay_looks_like_the_raw_one(outputs):
    compressed = outputs["overlay/compressed"]
    assert compressed.format == "rgb8; jpeg compressed bgr8"
    bgr = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
    raw, decoded = (  # JPEG keeps the means of blocks, not the colour of each pixel of noise
        cv2.resize(image, (10, 6), interpolation=cv2.INTER_AREA).astype(int)
        for image in (pixels_of(outputs["overlay"]), np.ascontiguousarray(bgr[..., ::-1]))
    )
    assert np.abs(decoded - raw).mean() < 4 < np.abs(decoded[..., ::-1] - raw).mean()


@pytest.mark.parametrize(("topic", "kind"), [("mask", Image), ("mask/compressed", CompressedImage)])
def test_nothing_is_compressed_unless_somebody_subscribes(graph, camera, topic, kind):
    def published() -> dict[str, int]:
        values = graph.values("/image_raw")
        return {name: int(values[name]) for name in values if name.startswith("published.")}

    graph.wait_for(lambda: graph.status("/image_raw").message.startswith("idle"), "an idle node", camera.send)
    graph.settle()
    before = published()
    with graph.listening({topic: kind}) as messages:
        graph.wait_for(lambda: len(messages[topic]) > 2, "three messages", camera.send)
        graph.settle()
    after = published()
    assert {name for name in after if after[name] != before.get(name)} == {f"published.{topic}"}


def test_latency_adds_up(outputs):
    latency = outputs["latency"]
    steps = ("decode", "preprocess", "inference", "postprocess", "publish")
    stages = [getattr(latency, f"{step}_ms") for step in steps]
    assert min(stages) > 0
    assert sum(stages) <= latency.total_ms * 1.001


def test_late_subscribers_get_the_labels(graph, process):
    infos = graph.collect(LabelInfo, "/bisenetformer/label_info", LATCHED)
    maps = graph.collect(LabelMapMessage, "/bisenetformer/label_map", LATCHED)
    graph.wait_for(lambda: infos and maps, "label_info and label_map")
    labels = LabelMap.load("camvid11").labels
    names = [(label.id, label.name) for label in labels]
    assert [(c.class_id, c.class_name) for c in infos[0].class_map] == [*names, (255, "unlabeled")]
    assert list(zip(maps[0].class_ids, maps[0].class_names, strict=True)) == names
    assert list(maps[0].is_thing) == [label.is_thing for label in labels]


def test_size_and_encoding_may_change_from_frame_to_frame(graph, camera):
    sizes = [(48, 80), (33, 47), (1, 1), (64, 40)]
    with graph.listening({"mask": Image}) as messages:
        for size in sizes:
            camera_sends = {"size": size, "encoding": "bgr8"}
            graph.wait_for(
                lambda size=size: any((m.height, m.width) == size for m in messages["mask"]),
                f"a mask of {size}",
                lambda changes=camera_sends: camera.send(**changes),
            )


def test_topics_suit_the_semantic_segmentation_layer_of_nav2(graph, camera):
    """With its QoS: best effort, keep last 50; for the labels reliable, transient local, keep last 5."""
    sensor = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
    latched = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    layout = yaml.safe_load((share_dir() / "config" / "nav2.yaml").read_text())
    layer = layout["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_layer"]["camera"]
    labels = graph.collect(LabelInfo, layer["labels_topic"], latched)
    assert layer["segmentation_topic"] == "/bisenetformer/mask"
    assert layer["confidence_topic"] == "/bisenetformer/confidence"
    with graph.listening({"mask": Image, "confidence": Image}, sensor) as messages:
        found = graph.wait_for(lambda: labels and complete_set(messages), "mask, confidence and labels", camera.send)
    for message in found.values():
        assert (message.encoding, message.step, message.height, message.width) == ("mono8", 80, 48, 80)
    listed = {name for kind in layer["class_types"] for name in layer[kind]["classes"]}
    assert listed == {known.class_name for known in labels[0].class_map}


def test_bad_frames_are_explained_in_diagnostics(graph, camera):
    with graph.listening({"mask": Image}):
        graph.wait_for(
            lambda: "'16SC7' is not supported" in graph.status("/image_raw").message,
            "the explanation",
            lambda: camera.send(encoding="16SC7"),
        )
    assert graph.status("/image_raw").level != DiagnosticStatus.OK


def test_diagnostics_have_the_keys_of_dashboards(graph, camera, outputs):
    expected = {
        "frame_rate_node",
        "frame_rate_msg",
        "current_delay_from_realtime_ms",
        "total_dropped_frames",
        "num_non_increasing_msg",
    }
    stages = ("transport", "decode", "preprocess", "inference", "postprocess", "publish", "total")
    expected |= {f"{stage}_ms_p{p}" for stage in stages for p in (50, 95, 99)}
    with graph.listening({"mask": Image}):  # the percentiles cover the last five seconds
        graph.wait_for(lambda: expected <= graph.values("/image_raw").keys(), "the keys", camera.send)
    model = graph.values("model")
    assert (model["model"], model["engine"], model["task"]) == ("random-nano", "torch", "panoptic")
    assert {"device", "precision"} <= model.keys()
    assert model["label_map"].startswith("camvid11")


@pytest.mark.parametrize("topic", ["mask", "overlay/compressed", "camera_info", "latency"])
def test_the_node_subscribes_to_images_while_any_output_has_a_subscriber(graph, camera, topic):
    def is_closed() -> bool:
        return graph.node.count_subscribers("/image_raw") == 0

    def received() -> int:
        return int(graph.values("/image_raw")["total_received_frames"])

    graph.wait_for(is_closed, "no subscription", camera.send)
    graph.wait_for_status("/image_raw", DiagnosticStatus.OK, "idle: no subscribers")
    before = received()
    for _ in range(3):
        graph.forget_diagnostics()
        graph.wait_for(lambda: graph.status("/image_raw"), "diagnostics while images are sent", camera.send)
    assert received() == before
    with graph.listening({topic: ALL[topic]}) as messages:
        graph.wait_for(lambda: messages[topic], "a message", camera.send)
        graph.wait_for(lambda: not is_closed(), "a subscription", camera.send)
        graph.wait_for_status("/image_raw", DiagnosticStatus.OK, "segmenting", every=camera.send)
    graph.wait_for(is_closed, "no subscription again", camera.send)


def test_the_pause_without_subscribers_is_no_loss(graph, camera):
    """Images of a steady camera; the pause is within the window of the rates, as are the images around it."""
    begin, sent = graph.node.get_clock().now().nanoseconds, itertools.count(1)

    def send() -> None:
        stamp = begin + next(sent) * 100_000_000
        camera.send(header=Header(stamp=Time(sec=stamp // 10**9, nanosec=stamp % 10**9)))

    def rate() -> float:
        return float(graph.values("/image_raw")["frame_rate_camera"])

    for _ in range(2):
        with graph.listening({"mask": Image}):
            graph.wait_for(lambda: 9 < rate() < 11, "the camera's rate", send)
            assert "lost in transport" not in graph.status("/image_raw").message
        graph.wait_for(lambda: graph.node.count_subscribers("/image_raw") == 0, "no subscription", send)
        for _ in range(5):
            send()


def test_thresholds_and_alpha_change_live(graph, camera):
    def after_setting(name: str, value: float) -> dict:
        """The outputs of a frame sent after the change."""
        assert graph.set_parameter(name, value) == (True, "")
        with graph.listening({"segments": SegmentArray, "overlay": Image, "color_mask": Image}) as messages:
            return graph.wait_for(lambda: complete_set(messages), "a frame on every topic", camera.send)

    assert after_setting("score_threshold", 0.0)["segments"].segments
    assert not after_setting("score_threshold", 1.0)["segments"].segments
    after_setting("score_threshold", 0.0)
    light, heavy = after_setting("overlay_alpha", 0.0), after_setting("overlay_alpha", 1.0)
    assert distance(light) > distance(heavy)
    after_setting("overlay_alpha", 0.5)


def distance(messages: dict) -> float:
    """Distance of the overlay from the pure colors."""
    return float(np.abs(pixels_of(messages["overlay"]).astype(int) - pixels_of(messages["color_mask"])).mean())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("score_threshold", 1.5, ["score_threshold", "1.5"]),
        ("overlay_alpha", -0.1, ["overlay_alpha", "-0.1"]),
        ("max_missing", -1, ["max_missing", "-1"]),
        ("score_threshold", "high", ["type"]),
        ("reliability", "perhaps", ["auto, reliable, best_effort", "perhaps"]),
        ("task", "semantic", ["configured", "ros2 lifecycle set /bisenetformer deactivate", "cleanup"]),
        ("model", "other", ["configured"]),
        ("autostart", False, ["restart", "-p autostart:=false"]),
    ],
)
def test_an_invalid_parameter_is_rejected_with_a_reason(graph, process, name, value, words):
    accepted, reason = graph.set_parameter(name, value)
    assert not accepted
    for word in words:
        assert word in reason


def test_enable_service_disables_and_enables(graph, camera):
    with graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
        response = graph.call(SetBool, "enable", data=False)
        assert (response.success, response.message) == (True, "disabled")
        before = int(graph.values("/image_raw").get("dropped.disabled", 0))
        sent = [stamp_of(camera.send())]
        graph.wait_for(
            lambda: int(graph.values("/image_raw").get("dropped.disabled", 0)) >= before + 2,
            "two dropped",
            lambda: sent.append(stamp_of(camera.send())),
        )
        graph.wait_for(lambda: graph.status("/image_raw").message.startswith("disabled"), "the status", camera.send)
        assert not {stamp_of(mask) for mask in messages["mask"]} & {*sent}
        assert graph.call(SetBool, "enable", data=True).success
        graph.wait_for_result(messages["mask"], camera.send)


def test_old_frames_are_dropped_if_a_limit_is_set(graph, camera):
    past = Header(stamp=Time(sec=1_000_000), frame_id="front_camera")
    graph.set_parameter("max_age_ms", 1000.0)
    with graph.listening({"mask": Image}):
        graph.wait_for(
            lambda: int(graph.values("/image_raw").get("dropped.too_old", 0)) >= 1,
            "an old frame is counted",
            lambda: camera.send(header=past),
        )
        graph.wait_for(
            lambda: "max_age_ms is 1000" in graph.status("/image_raw").message,
            "the explanation",
            lambda: camera.send(header=past),
        )
    graph.set_parameter("max_age_ms", 0.0)


POSSIBLE = {
    "unconfigured": {"configure": "inactive"},
    "inactive": {"activate": "active", "cleanup": "unconfigured"},
    "active": {"deactivate": "inactive"},
}
"""State → transition → next state."""


def test_transitions_in_any_order_leak_nothing(graph, process, camera):
    """A third of them are invalid; a quarter of the others load the model, which takes 8 MiB."""
    choose = np.random.default_rng(0).choice
    state = "active"

    def walk(steps: int) -> None:
        nonlocal state
        for number in range(steps):
            impossible = sorted({"configure", "activate", "deactivate", "cleanup"} - POSSIBLE[state].keys())
            transition = str(choose(impossible if number % 3 == 2 else sorted(POSSIBLE[state])))
            goal = POSSIBLE[state].get(transition)
            assert graph.change_state(transition) == (goal is not None), f"{transition} while {state}"
            if goal is None:
                assert graph.state() == state
            state = goal or state

    def segments() -> None:
        nonlocal state
        while state != "active":
            transition = "configure" if state == "unconfigured" else "activate"
            assert graph.change_state(transition)
            state = POSSIBLE[state][transition]
        graph.wait_for_result(messages["mask"], camera.send)

    with graph.listening({"mask": Image}) as messages:
        walk(TRANSITIONS // 3)
        segments()
        threads, resident = process.num_threads(), process.resident_bytes()
        walk(TRANSITIONS)
        segments()
        graph.wait_for(lambda: process.num_threads() <= threads, f"no more than {threads} threads")
        assert process.resident_bytes() < resident + 64 * 2**20


def test_nothing_is_published_while_inactive(graph, camera):
    with graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
        assert graph.change_state("deactivate")
        graph.forget_diagnostics()  # the latest may be from an earlier inactive phase
        graph.wait_for(lambda: graph.values("model").get("state") == "inactive", "the state")
        graph.wait_for(lambda: graph.node.count_subscribers("image_raw") == 0, "the subscription is gone")
        received = graph.values("/image_raw")["total_received_frames"]
        sent = []
        for _ in range(2):
            graph.forget_diagnostics()
            graph.wait_for(
                lambda: graph.status("/image_raw"),
                "diagnostics while images are sent",
                lambda: sent.append(stamp_of(camera.send())),
            )
        assert graph.values("/image_raw")["total_received_frames"] == received
        assert not {stamp_of(mask) for mask in messages["mask"]} & {*sent}
        assert graph.change_state("activate")
        graph.wait_for_result(messages["mask"], camera.send)


def test_reliability_follows_the_publishers(graph, camera):
    def reliability() -> ReliabilityPolicy | None:
        infos = graph.node.get_subscriptions_info_by_topic("/image_raw")
        return infos[0].qos_profile.reliability if len(infos) == 1 else None

    with graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: reliability() == ReliabilityPolicy.RELIABLE, "reliable, as the only publisher is")
        with graph.camera(qos=QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)) as other:
            graph.wait_for(lambda: reliability() == ReliabilityPolicy.BEST_EFFORT, "best effort, as one publisher is")
            graph.wait_for_result(messages["mask"], other.send)
            graph.wait_for_result(messages["mask"], camera.send)
        graph.wait_for(lambda: reliability() == ReliabilityPolicy.RELIABLE, "reliable again")
        assert graph.set_parameter("reliability", "best_effort") == (True, "")
        graph.wait_for(lambda: reliability() == ReliabilityPolicy.BEST_EFFORT, "best effort, as the parameter says")
    graph.set_parameter("reliability", "auto")


def test_parameters_have_descriptions(graph, process):
    from rcl_interfaces.srv import DescribeParameters, ListParameters

    names = graph.call(ListParameters, "list_parameters").result.names
    described = graph.call(DescribeParameters, "describe_parameters", names=names).descriptors
    own = [d for d in described if not d.name.startswith(("qos_overrides", "use_sim_time", "start_type", "node_"))]
    assert {"model", "task", "enable", "diagnostic_updater.period"} <= {d.name for d in own}
    assert all(d.description for d in own)


def test_ctrl_c_ends_the_node_without_a_traceback(process):
    """The last test of this process."""
    assert process.stop(signal.SIGINT) == 0
    assert "Traceback" not in process.output()
