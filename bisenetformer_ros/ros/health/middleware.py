"""What each middleware of ROS needs to find other processes and to deliver images, as text for diagnostics.

A process names its middleware by `rclpy.utilities.get_rmw_implementation_identifier`.
"""

import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path

FAST_DDS, CYCLONE_DDS, ZENOH = "rmw_fastrtps", "rmw_cyclonedds", "rmw_zenoh"
"""Beginnings of the identifiers."""
VENDORS = {b"\x01\x0f": FAST_DDS, b"\x01\x10": CYCLONE_DDS}
"""Vendor ids of the DDS-RTPS specification, with which the ids of endpoints begin."""
TRANSPORT_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"
VARIABLES = {FAST_DDS: TRANSPORT_VARIABLE, CYCLONE_DDS: "CYCLONEDDS_URI", ZENOH: "ZENOH_SESSION_CONFIG_URI"}
"""The variables that decide with whom a process communicates."""
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
TUNED_RMEM_MAX = 2**31 - 1
"""Of ROS 2's tuning guide, as is the file that keeps it."""
SYSCTL_FILE = "/etc/sysctl.d/10-cyclone-max.conf"
MIB = 2**20
DEFAULT_BUFFER, MIN_TUNED_BUFFER = MIB, 10 * MIB
"""Receive buffer that Cyclone DDS requests by itself, and that of the tuning guide, in bytes."""


def vendor_of(gid: Sequence[int]) -> str:
    """Return the middleware of an endpoint by its id, as one of VENDORS; empty if another one."""
    return VENDORS.get(bytes(gid[:2]), "")


def explain_other_vendor(rmw: str, gid: Sequence[int], other: str) -> str:
    """Explain that an endpoint uses another DDS than the process `other`, and the fix.

    Args:
        rmw: Identifier of the middleware of `other`.
        gid: The id of the endpoint.
        other: In words.

    Returns:
        An empty string for the same middleware, and if one of them is unknown.
    """
    vendor = vendor_of(gid)
    if not vendor or rmw.startswith(vendor) or not rmw.startswith(tuple(VENDORS.values())):
        return ""
    return (
        f"it uses {vendor}_cpp but {other} {rmw}, and between the two large images are lost and services do not "
        "respond: set the same RMW_IMPLEMENTATION for both"
    )


def explain_no_router(rmw: str, num_others: int) -> str:
    """Explain that no other node is found as no router of Zenoh runs, and the fix.

    Args:
        rmw: Identifier of the middleware.
        num_others: Number of other nodes that are found.

    Returns:
        An empty string for other middleware, and if a node is found.
    """
    if not rmw.startswith(ZENOH) or num_others:
        return ""
    return "no Zenoh router is reachable, by which nodes find each other: run `ros2 run rmw_zenoh_cpp rmw_zenohd`"


def variables_of(rmw: str) -> str:
    """Return the variables, in words, that have to agree within a graph."""
    own = next((variable for beginning, variable in VARIABLES.items() if rmw.startswith(beginning)), "")
    shared = "ROS_DOMAIN_ID, ROS_LOCALHOST_ONLY, ROS_AUTOMATIC_DISCOVERY_RANGE"
    return f"{shared}, RMW_IMPLEMENTATION and {own}" if own else f"{shared} and RMW_IMPLEMENTATION"


def receive_buffer() -> int:
    """Return the size in bytes of the smallest receive buffer of the UDP sockets of this process; 0 without any."""
    sizes = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed by another thread
            if not os.readlink(entry).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                if copy.type == socket.SOCK_DGRAM and copy.family in (socket.AF_INET, socket.AF_INET6):
                    sizes.append(copy.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2)  # Linux doubles it
    return min(sizes, default=0)


def explain_receive_buffer(image_bytes: int, buffer_bytes: int, rmem_max: Path = RMEM_MAX) -> str:
    """Explain that Cyclone DDS loses images, of any reliability, in the receive buffer of this process, and the fix.

    Args:
        image_bytes: Size of an image; 0 if unknown.
        buffer_bytes: Size of the buffer.
        rmem_max: File with the largest size in bytes that Linux grants.

    Returns:
        An empty string if an image fits.
    """
    wanted = max(2 * image_bytes, MIN_TUNED_BUFFER)
    if buffer_bytes >= (image_bytes or wanted):
        return ""
    subject = f"images of {image_bytes / 1e6:.1f} MB" if image_bytes else "large images"
    limit, steps = int(rmem_max.read_text()), []
    if limit < wanted:
        steps.append(
            f"run `sudo sysctl -w net.core.rmem_max={TUNED_RMEM_MAX}` (now {limit}; `net.core.rmem_max="
            f"{TUNED_RMEM_MAX}` in {SYSCTL_FILE} makes it permanent)"
        )
    if limit >= wanted or not 0 < image_bytes <= DEFAULT_BUFFER:
        size = f'<Internal><SocketReceiveBufferSize max="{-(-wanted // MIB)}MiB"/></Internal>'
        steps.append(f"start this node with `CYCLONEDDS_URI='{size}'`")
    else:
        steps.append("restart this node")
    return (
        f"{subject} exceed this node's receive buffer of {buffer_bytes / 1e6:.1f} MB, so Cyclone DDS loses them: "
        f"{' and '.join(steps)}"
    )
