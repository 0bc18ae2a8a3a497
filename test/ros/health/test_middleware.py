"""What is said for each middleware; only Fast DDS runs here, so the identifiers of others are given."""

import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
from patience import until
from rclpy.utilities import get_rmw_implementation_identifier

from bisenetformer_ros.ros.health.connectivity import explain_no_images
from bisenetformer_ros.ros.health.middleware import (
    FAST_DDS,
    explain_no_router,
    explain_other_vendor,
    explain_receive_buffer,
    receive_buffer,
    variables_of,
    vendor_of,
)
from bisenetformer_ros.ros.node.input import ImageInput

CYCLONE_GID = [0x01, 0x10, 0x06, 0xA3, 0x54, 0x31, 0x6D, 0x2A, 0x11, 0x61, 0xC8, 0x44, 0, 0, 7, 3]
"""Of a publisher with Cyclone DDS 0.10."""
FAST_GID = [0x01, 0x0F, 0x78, 0xFD, 0x54, 0x17, 0x6F, 0x66, 0, 0, 0, 0, 0, 0, 0x13, 0x03]
DEFAULT_RMEM_MAX = 212_992
"""Of Linux."""
VGA, FULL_SIZE = 480 * 640 * 3, 1024 * 2048 * 3


@pytest.fixture
def rmem_max(tmp_path) -> Path:
    """The kernel's file with the default of Linux."""
    path = tmp_path / "rmem_max"
    path.write_text(f"{DEFAULT_RMEM_MAX}\n")
    return path


def test_vendors_of_real_and_given_endpoints(graph):
    (own,) = graph.node.get_publishers_info_by_topic("/parameter_events")
    assert vendor_of(own.endpoint_gid) == FAST_DDS
    assert get_rmw_implementation_identifier().startswith(FAST_DDS)
    assert vendor_of(CYCLONE_GID) == "rmw_cyclonedds"
    assert vendor_of([1, 1, *CYCLONE_GID[2:]]) == ""


def test_two_vendors_in_one_graph_are_named():
    text = explain_other_vendor("rmw_fastrtps_cpp", CYCLONE_GID, "this node")
    assert text.startswith("it uses rmw_cyclonedds_cpp but this node rmw_fastrtps_cpp, ")
    assert text.endswith("set the same RMW_IMPLEMENTATION for both")
    text = explain_other_vendor("rmw_cyclonedds_cpp", FAST_GID, "the doctor")
    assert text.startswith("it uses rmw_fastrtps_cpp but the doctor rmw_cyclonedds_cpp, ")


@pytest.mark.parametrize(
    ("rmw", "gid"),
    [
        ("rmw_fastrtps_cpp", FAST_GID),
        ("rmw_fastrtps_dynamic_cpp", FAST_GID),
        ("rmw_cyclonedds_cpp", CYCLONE_GID),
        ("rmw_zenoh_cpp", FAST_GID),  # the ids of Zenoh are random
        ("rmw_fastrtps_cpp", [1, 1, *FAST_GID[2:]]),
    ],
)
def test_one_vendor_or_an_unknown_one_explains_nothing(rmw, gid):
    assert explain_other_vendor(rmw, gid, "this node") == ""


def test_a_router_is_missing_only_with_zenoh_and_without_other_nodes():
    assert "run `ros2 run rmw_zenoh_cpp rmw_zenohd`" in explain_no_router("rmw_zenoh_cpp", 0)
    assert explain_no_router("rmw_zenoh_cpp", 1) == ""
    assert explain_no_router("rmw_fastrtps_cpp", 0) == ""


@pytest.mark.parametrize(
    ("rmw", "end"),
    [
        ("rmw_fastrtps_cpp", "RMW_IMPLEMENTATION and FASTDDS_BUILTIN_TRANSPORTS"),
        ("rmw_cyclonedds_cpp", "RMW_IMPLEMENTATION and CYCLONEDDS_URI"),
        ("rmw_zenoh_cpp", "RMW_IMPLEMENTATION and ZENOH_SESSION_CONFIG_URI"),
        ("rmw_connextdds", "ROS_AUTOMATIC_DISCOVERY_RANGE and RMW_IMPLEMENTATION"),
    ],
)
def test_variables_of_a_middleware(rmw, end):
    assert variables_of(rmw).startswith("ROS_DOMAIN_ID, ")
    assert variables_of(rmw).endswith(end)


def test_the_smallest_receive_buffer_of_udp_sockets_counts():
    """In a process of its own, as the middleware of this one has sockets."""
    script = """
import socket
from bisenetformer_ros.ros.health.middleware import receive_buffer
print(receive_buffer())
families = {30_000: socket.AF_INET, 40_000: socket.AF_INET6, 10_000: socket.AF_UNIX}
sockets = [socket.socket(), *(socket.socket(family, socket.SOCK_DGRAM) for family in families.values())]
for size, one in zip(families, sockets[1:], strict=True):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
print(receive_buffer())
sockets[0].bind(("127.0.0.1", 0))  # still open
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["0", "30000"]


def test_fast_dds_has_receive_buffers(graph):
    assert receive_buffer() > 0


def test_images_that_fit_need_no_larger_buffer(rmem_max):
    assert explain_receive_buffer(VGA, VGA, rmem_max) == ""
    assert explain_receive_buffer(0, 10 * 2**20, rmem_max) == ""


def test_small_images_need_what_cyclone_dds_requests_by_itself(rmem_max):
    text = explain_receive_buffer(VGA, DEFAULT_RMEM_MAX, rmem_max)
    assert text == (
        "images of 0.9 MB exceed this node's receive buffer of 0.2 MB, so Cyclone DDS loses them: run "
        "`sudo sysctl -w net.core.rmem_max=2147483647` (now 212992; `net.core.rmem_max=2147483647` in "
        "/etc/sysctl.d/10-cyclone-max.conf makes it permanent) and restart this node"
    )


@pytest.mark.parametrize(("image_bytes", "mib"), [(0, 10), (FULL_SIZE, 12), (4 * FULL_SIZE, 48)])
def test_large_images_need_more_than_cyclone_dds_requests(rmem_max, image_bytes, mib):
    text = explain_receive_buffer(image_bytes, DEFAULT_RMEM_MAX, rmem_max)
    assert "sudo sysctl -w" in text
    (setting,) = re.findall("CYCLONEDDS_URI='(.*)'`", text)
    assert xml.etree.ElementTree.fromstring(setting).find("SocketReceiveBufferSize").attrib == {"max": f"{mib}MiB"}
    rmem_max.write_text(str(2**31 - 1))
    text = explain_receive_buffer(image_bytes, 2**20, rmem_max)
    assert "sysctl" not in text
    assert setting in text


def test_the_kernel_has_the_file_that_is_read():
    assert "sysctl" in explain_receive_buffer(2**40, 2**20)  # more than any kernel grants


def test_no_images_anywhere(graph):
    image_input = ImageInput(graph.node, "nowhere", "raw", lambda _: None, wanted_reliability=lambda: "auto")
    rmw = f"its RMW_IMPLEMENTATION differs from this node's ({get_rmw_implementation_identifier()})"
    text = ""

    def said() -> bool:
        nonlocal text
        image_input.update()
        text = explain_no_images(graph.node, image_input.state())
        return rmw in text

    until(said, lambda: text)
    assert "the camera is not running, or its ROS_DOMAIN_ID differs" in text
    assert "FASTDDS_BUILTIN_TRANSPORTS differs" in text
    assert "Zenoh" not in text
    image_input.close()
