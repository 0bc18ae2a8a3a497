"""The projection node in a process of its own; expected points follow from the definition of a pinhole camera."""

import itertools
import math

import numpy as np
import pytest
from depth_camera import CAR, CX, CY, FX, FY, HEIGHT, ROAD, THING, WIDTH, DepthCamera, image
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import PointCloud2, PointField
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

STATUS = "projection"
DTYPES = {PointField.UINT8: "u1", PointField.UINT16: "u2", PointField.FLOAT32: "f4"}


def points_of(cloud: PointCloud2) -> np.ndarray:
    """The points as a reader of the message finds them: by the offsets of its fields."""
    fields = {field.name: (f"<{DTYPES[field.datatype]}", field.offset) for field in cloud.fields}
    assert all(field.count == 1 for field in cloud.fields)
    assert not cloud.is_bigendian
    assert cloud.row_step == cloud.width * cloud.point_step
    dtype = np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": cloud.point_step,
        }
    )
    return np.frombuffer(bytes(cloud.data), dtype).reshape(cloud.height, cloud.width)


def expected_points(depth: np.ndarray) -> np.ndarray:
    """(H, W, 3) points of the camera of DepthCamera, pixel by pixel."""
    points = np.empty((HEIGHT, WIDTH, 3))
    for v in range(HEIGHT):
        for u in range(WIDTH):
            points[v, u] = (u - CX) / FX * depth[v, u], (v - CY) / FY * depth[v, u], depth[v, u]
    return points


def xyz(points: np.ndarray) -> np.ndarray:
    return np.stack([points["x"], points["y"], points["z"]], -1)


def receive(graph, camera, messages, **changes):
    """The output for a frame that is sent until it arrives."""
    return graph.wait_for_result(messages, lambda: camera.send(**changes))


def test_cloud_holds_the_points_of_a_pinhole_camera(graph, camera):
    depth = np.random.default_rng(0).integers(500, 9000, (HEIGHT, WIDTH)).astype(np.uint16)
    depth[3, 5] = 0
    with graph.listening({"points": PointCloud2}) as messages:
        cloud = receive(graph, camera, messages["points"], depth=depth)
    assert (cloud.height, cloud.width, cloud.is_dense) == (HEIGHT, WIDTH, False)
    points = points_of(cloud)
    assert list(points.dtype.names) == ["x", "y", "z", "rgb", "label", "instance", "confidence"]
    meters = np.where(depth == 0, np.nan, depth / 1000.0)
    np.testing.assert_allclose(xyz(points), expected_points(meters), rtol=1e-6)
    is_car = np.zeros((HEIGHT, WIDTH), bool)
    is_car[THING] = True
    assert (points["label"] == np.where(is_car, CAR, ROAD)).all()
    assert (points["instance"] == np.where(is_car, 7, 300)).all()
    assert (points["confidence"] == np.where(is_car, 0.75, 0.5)).all()
    assert (points["rgb"].view("<u4") == np.where(is_car, 0xFF0099, 0x3366FF)).all()


def test_every_output_carries_the_header_of_the_mask(graph, camera):
    topics = {"points": PointCloud2, "detections_3d": Detection3DArray, "markers": MarkerArray}
    with graph.listening(topics) as messages:
        graph.wait_for(lambda: all(messages.values()), "every output", lambda: camera.send(frame_id="depth_optical"))
        status = graph.wait_for_status(
            STATUS,
            DiagnosticStatus.WARN,
            "'color_optical'",
            "'depth_optical'",
            every=lambda: camera.send(frame_id="depth_optical"),
        )
    assert "registered to its colour images" in status
    stamp = camera.stamp_ns(messages["detections_3d"][0].header)
    header = camera.header(stamp)
    assert messages["points"][0].header.frame_id == "color_optical"
    detections = messages["detections_3d"][0]
    assert detections.header == header
    assert [detection.header for detection in detections.detections] == [header]
    markers = next(m.markers for m in messages["markers"] if camera.stamp_ns(m.markers[0].header) >= stamp)
    assert len({str(marker.header) for marker in markers}) == 1
    assert markers[0].header.frame_id == "color_optical"


def test_headers_are_those_of_the_mask_exactly(graph, camera):
    stamp = 1_234_567_890_123_456_789
    with graph.listening({"points": PointCloud2}) as messages:

        def send() -> None:
            camera.send_result(stamp)
            camera.send_depth(stamp)

        assert graph.wait_for_result(messages["points"], send).header == camera.header(stamp)


def test_boxes_of_things(graph, camera):
    """The car is 1.5 m away, the road 4 m; a column at its left edge and one pixel inside see the road."""
    depth = np.full((HEIGHT, WIDTH), 4000, np.uint16)
    depth[THING] = 1500
    rows, columns = THING
    depth[rows, columns.start] = 4000
    depth[rows.start + 1, columns.start + 3] = 4000
    topics = {"detections_3d": Detection3DArray, "markers": MarkerArray}
    with graph.listening(topics) as messages:
        detections = receive(graph, camera, messages["detections_3d"], depth=depth)
        graph.wait_for(lambda: messages["markers"], "markers", lambda: camera.send(depth=depth))
    (car,) = detections.detections
    left, right = ((u - CX) / FX * 1.5 for u in (columns.start + 1, columns.stop - 1))
    top, bottom = ((v - CY) / FY * 1.5 for v in (rows.start, rows.stop - 1))
    center = car.bbox.center
    assert (center.position.x, center.position.y, center.position.z) == pytest.approx(
        ((left + right) / 2, (top + bottom) / 2, 1.5)
    )
    assert (center.orientation.x, center.orientation.y, center.orientation.z, center.orientation.w) == (0, 0, 0, 1)
    size = car.bbox.size
    assert (size.x, size.y, size.z) == pytest.approx((right - left, bottom - top, 0))
    assert car.id == "7"
    (result,) = car.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == (str(CAR), 0.75)
    assert result.pose.pose == center

    clear, box, name = messages["markers"][-1].markers
    assert clear.action == Marker.DELETEALL
    assert (box.action, box.type, box.ns, box.id) == (Marker.ADD, Marker.CUBE, "boxes", 7)
    assert box.pose == center
    assert (box.scale.x, box.scale.y) == (size.x, size.y)
    assert box.scale.z > 0  # RViz shows no box without extent
    assert [box.color.r, box.color.g, box.color.b] == pytest.approx([1, 0, 0.6], abs=1 / 255)
    assert (name.action, name.type, name.ns, name.id) == (Marker.ADD, Marker.TEXT_VIEW_FACING, "names", 7)
    assert name.text == "car 7"
    assert name.pose.position.y < center.position.y - size.y / 2  # above the box


def float_depth() -> np.ndarray:
    depth = np.random.default_rng(1).integers(500, 9000, (HEIGHT, WIDTH)).astype(np.float32) / 1000
    depth[0, :5] = np.nan, np.inf, -np.inf, 0, -1
    return depth


def test_encodings_and_layouts_give_the_same_cloud(graph, camera):
    depth = float_depth()
    millimeters = np.zeros((HEIGHT, WIDTH), np.uint16)
    millimeters[np.isfinite(depth) & (depth > 0)] = np.rint(depth[np.isfinite(depth) & (depth > 0)] * 1000)
    header = camera.header(0)
    clouds = []
    with graph.listening({"points": PointCloud2}) as messages:
        for pixels, encoding in ((depth, "32FC1"), (millimeters, "16UC1")):
            for padding, big_endian in ((0, False), (3, False), (7, True)):
                message = image(header, pixels, encoding, padding, big_endian)
                changes = {name: getattr(message, name) for name in ("encoding", "is_bigendian", "step", "data")}
                clouds.append(receive(graph, camera, messages["points"], depth=pixels, **changes))
    expected = expected_points(np.where(millimeters == 0, np.nan, millimeters / 1000))
    assert np.isnan(expected[0, :5]).all()
    for cloud in clouds:
        np.testing.assert_allclose(xyz(points_of(cloud)), expected, rtol=1e-6)
        assert cloud.data == clouds[0].data


@pytest.mark.parametrize("ratio", [2, 0.5])
def test_depth_of_a_whole_number_ratio(graph, camera, ratio):
    size = (int(HEIGHT * ratio), int(WIDTH * ratio))
    depth = np.arange(1000, 1000 + size[0] * size[1], dtype=np.uint16).reshape(size)
    with graph.listening({"points": PointCloud2}) as messages:
        points = points_of(receive(graph, camera, messages["points"], depth=depth))
    fitted = depth[1::2, 1::2] if ratio == 2 else np.kron(depth, np.ones((2, 2), np.uint16))
    np.testing.assert_allclose(xyz(points), expected_points(fitted / 1000), rtol=1e-6)


REFUSED = {
    "other size": (
        {"depth": np.full((30, 40), 2000, np.uint16)},
        ("the depth image is 40x30 but the mask 32x24", "registered to the colour camera"),
    ),
    "no depth": ({"encoding": "rgb8"}, ("depth image: encoding 'rgb8' holds no depth", "use the camera's depth topic")),
    "short data": ({"data": b"\0" * 9}, ("depth image: 32x24 16UC1 with step 64 requires 1536 bytes of data, got 9",)),
    "short rows": ({"step": 63}, ("depth image: 32 16UC1 pixels take 64 bytes per row, but step is 63",)),
    "empty": ({"height": 0}, ("depth image: expected an image of at least 1x1 pixels, got 32x0",)),
}


@pytest.mark.parametrize("changes_and_words", REFUSED.values(), ids=REFUSED)
def test_refused_depth_is_explained_in_one_line_and_the_node_goes_on(graph, process, camera, changes_and_words):
    changes, words = changes_and_words
    with graph.listening({"points": PointCloud2}) as messages:
        text = graph.wait_for_status(STATUS, DiagnosticStatus.ERROR, *words, every=lambda: camera.send(**changes))
        assert "\n" not in text
        assert any(all(word in line for word in words) for line in process.output().splitlines())
        receive(graph, camera, messages["points"])
        graph.wait_for_status(STATUS, DiagnosticStatus.OK, "projecting at", every=camera.send)


def test_calibration_of_another_size(graph, camera):
    words = "the depth image is 32x24 but its camera_info is for 64x48", "published with the depth image"
    info = camera.calibration(48, 64)
    with graph.listening({"points": PointCloud2}):
        graph.wait_for_status(STATUS, DiagnosticStatus.ERROR, *words, every=lambda: camera.send(info=info))
        assert int(graph.values(STATUS)["dropped.bad_input.other_camera_info"]) > 0


def test_calibration_without_focal_length(graph, camera):
    info = camera.calibration(HEIGHT, WIDTH, p=[0.0] * 12)
    with graph.listening({"points": PointCloud2}):
        graph.wait_for_status(
            STATUS, DiagnosticStatus.ERROR, "calibrate the camera", every=lambda: camera.send(info=info)
        )


def test_missing_calibration(graph, camera):
    graph.wait_for_status(STATUS, DiagnosticStatus.OK, "idle")  # it has forgotten the calibration of earlier tests
    with graph.listening({"points": PointCloud2}):
        text = graph.wait_for_status(
            STATUS, DiagnosticStatus.ERROR, "no calibration", every=lambda: camera.send(info=None)
        )
        assert int(graph.values(STATUS)["dropped.no_camera_info"]) > 0
    assert "has published nothing on /depth/camera_info" in text


def test_no_depth_and_no_masks(graph, camera):
    with graph.listening({"points": PointCloud2}):
        words = "no depth images: ", "/test publishes on /depth/image, but nothing arrives"
        graph.wait_for_status(STATUS, DiagnosticStatus.ERROR, *words, every=lambda: camera.send_result(camera.now()))
        words = ("no masks: ", "/test publishes on /bisenetformer/mask, but nothing arrives")
        graph.wait_for_status(STATUS, DiagnosticStatus.ERROR, *words, every=lambda: camera.send_depth(camera.now()))


def test_depth_of_other_stamps_is_counted_and_explained(graph, camera):
    def send() -> None:
        stamp = camera.now()
        camera.send_result(stamp)
        camera.send_depth(stamp - 60 * 10**9)

    with graph.listening({"points": PointCloud2}):
        words = "no depth image within", "of their stamps", "stamp both with the same clock"
        graph.wait_for_status(STATUS, DiagnosticStatus.ERROR, *words, every=send)
        assert int(graph.values(STATUS)["dropped.no_depth"]) > 0


DRIFTS = {
    "a third of the rate": (3, 0.2),
    "a little late": (1, 0.4),
    "a little early": (1, -0.4),
    "a little more than half a period late": (1, 0.6),
    "a period late": (1, 1.0),
}
"""Depth for every n-th image only, with stamps that differ by so many periods."""


@pytest.mark.parametrize(("every", "periods"), DRIFTS.values(), ids=DRIFTS)
def test_masks_get_the_depth_of_the_nearest_stamp_within_half_a_period(graph, process, camera, every, periods):
    """The distance of a depth image tells its number."""
    period = 33_333_333
    start, numbers = camera.now(), itertools.count()

    def send() -> None:
        number = next(numbers)
        camera.send_result(start + number * period)
        if number % every == 0:
            depth = np.full((HEIGHT, WIDTH), 1000 + number, np.uint16)
            camera.send_depth(start + number * period + round(periods * period), depth=depth)

    def pairs() -> dict[int, int]:
        """Number of the mask → number of its depth image."""
        clouds = {camera.stamp_ns(cloud.header) - start: cloud for cloud in messages["points"]}
        return {
            stamp // period: round(1000 * float(points_of(cloud)["z"][0, 0])) - 1000
            for stamp, cloud in clouds.items()
            if stamp >= 0
        }

    with graph.listening({"points": PointCloud2}) as messages:
        graph.wait_for(lambda: len(pairs()) >= 5, "five clouds", send)
        graph.wait_for(lambda: "unpaired.depth.no_mask" in graph.values(STATUS), "a depth image without mask", send)
        graph.wait_for(lambda: int(graph.values(STATUS).get("dropped.no_depth", 0)) > 0, "a mask without depth", send)
    shift = math.ceil(periods - 0.5)  # in masks
    assert {mask - depth for mask, depth in pairs().items()} == {shift}
    assert all(depth % every == 0 for depth in pairs().values())


def test_several_depth_cameras_on_one_topic_are_named(graph, camera):
    """Their images have the same stamps; the calibration is that of both."""
    other = DepthCamera(graph)

    def send() -> None:
        stamp = camera.send()
        other.send_depth(stamp)

    try:
        with graph.listening({"points": PointCloud2}):
            words = ("2 publishers on /depth/image (/test, /test)", "one projection node per camera")
            graph.wait_for_status(STATUS, DiagnosticStatus.WARN, *words, every=send)
            unpaired = lambda: {"unpaired.depth.same_stamp", "unpaired.depth.no_mask"} & set(graph.values(STATUS))  # noqa: E731
            graph.wait_for(unpaired, "one of the two images counted", send)
    finally:
        other.close()


def test_two_depth_cameras_at_once_have_a_node_each(graph, camera, start):
    """By remapping, as docs/depth.md describes; each cloud has the depth of its camera."""
    rear = DepthCamera(graph, "/rear")
    topics = "bisenetformer/mask", "bisenetformer/panoptic", "bisenetformer/segments", "depth/image"
    remaps = [f"{topic}:=/{topic.replace('bisenetformer/', 'bisenetformer/rear/')}" for topic in topics[:3]]
    remaps += ["depth/image:=/rear/depth/image", "__node:=rear_projection"]
    arguments = [word for remap in remaps for word in ("-r", remap)]
    start("-m", "bisenetformer_ros.ros.projection.projection_node", "--ros-args", *arguments)
    rear_clouds: list[PointCloud2] = []
    subscription = graph.node.create_subscription(PointCloud2, "/rear_projection/points", rear_clouds.append, 10)
    frames: dict[int, int] = {}

    def send() -> None:
        """Both cameras at one moment, with different distances."""
        number = 1000 + len(frames)
        frames[stamp := camera.now()] = number
        for one, depth in ((camera, number), (rear, number + 5000)):
            one.send_result(stamp)
            one.send_depth(stamp, depth=np.full((HEIGHT, WIDTH), depth, np.uint16))

    def distances(clouds: list[PointCloud2]) -> dict[int, int]:
        by_stamp = {camera.stamp_ns(cloud.header): cloud for cloud in clouds}
        return {stamp: round(1000 * float(points_of(by_stamp[stamp])["z"][0, 0])) for stamp in by_stamp.keys() & frames}

    with graph.listening({"points": PointCloud2}) as messages:
        graph.wait_for(
            lambda: len(distances(messages["points"])) >= 3 and len(distances(rear_clouds)) >= 3,
            "three clouds of each camera",
            send,
        )
    graph.node.destroy_subscription(subscription)
    rear.close()
    assert all(frames[stamp] == distance for stamp, distance in distances(messages["points"]).items())
    assert all(frames[stamp] + 5000 == distance for stamp, distance in distances(rear_clouds).items())


def test_results_without_instances_are_counted(graph, camera):
    with graph.listening({"points": PointCloud2}):
        graph.wait_for_status(
            STATUS,
            DiagnosticStatus.ERROR,
            "no panoptic of their stamp",
            every=lambda: (camera.send_result(stamp := camera.now(), leave_out="panoptic"), camera.send_depth(stamp)),
        )
        assert int(graph.values(STATUS)["dropped.no_panoptic"]) > 0
        graph.wait_for(lambda: "unpaired.segments.no_panoptic" in graph.values(STATUS), "its segments counted")


def test_nobody_listens_and_nothing_is_received(graph, camera):
    graph.wait_for_status(STATUS, DiagnosticStatus.OK, "idle: no subscribers")
    topics = "/bisenetformer/mask", "/bisenetformer/panoptic", "/bisenetformer/segments", "/depth/image"
    graph.wait_for(lambda: not any(map(graph.node.count_subscribers, topics)), "no subscription is left")
    before = counters(graph)
    for _ in range(5):
        camera.send()
        graph.forget_diagnostics()
        graph.wait_for(lambda: graph.status(STATUS), "diagnostics")
    assert counters(graph) == before


def counters(graph) -> dict[str, str]:
    return {key: value for key, value in graph.values(STATUS).items() if key.startswith(("total_", "dropped", "publ"))}


def test_only_what_is_heard_is_computed(graph, camera):
    before = counters(graph)
    with graph.listening({"markers": MarkerArray}) as messages:
        graph.wait_for(lambda: messages["markers"], "markers", camera.send)
        graph.wait_for(lambda: counters(graph).get("published.markers") != before.get("published.markers"), "a count")
    after = counters(graph)
    assert all(
        after.get(f"published.{topic}") == before.get(f"published.{topic}") for topic in ("points", "detections_3d")
    )
