"""The other end of a topic as Fast DDS's files in /dev/shm show it: who runs it, and the memory that it sends through.

Fast DDS creates these files with mode 0644 whatever the umask, and opens those of others for writing. So the processes
of two users cannot share memory, with one exception: root may open the files of others.
"""

import contextlib
import os
import pwd
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from bisenetformer_ros.ros.health.middleware import FAST_DDS, vendor_of
from bisenetformer_ros.ros.shared_memory import IS_FAST_DDS_2, SHARED_MEMORY

LOCKS = Path("/proc/locks")
MAX_PARTICIPANTS = 120
"""Participants of one ROS domain on one machine, by the port numbers of RTPS."""


@dataclass(frozen=True)
class Segment:
    """The shared memory that a process sends through."""

    uid: int  # of the user who runs the process
    size: int  # bytes
    pid: int


def segment_of(endpoint: TopicEndpointInfo) -> Segment | None:
    """Return the segment of the endpoint's process.

    The endpoint's id holds the lower half of the process id, and the process holds a lock beside its segment.

    Returns:
        None for a process without shared memory or with another middleware, on another machine, or in a container
        whose process ids differ.
    """
    if vendor_of(endpoint.endpoint_gid) != FAST_DDS:
        return None
    pids = _lock_holders()
    wanted = endpoint.endpoint_gid[4] | endpoint.endpoint_gid[5] << 8
    for lock, status in _files("fast*_" + "[0-9a-f]" * 16 + "_el"):
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
        pid = pids.get(f"{device}:{status.st_ino}")
        if pid is not None and pid & 0xFFFF == wanted:
            for _, segment in _files(lock.removesuffix("_el")):
                return Segment(segment.st_uid, segment.st_size, pid)
    return None


def command_of(pid: int) -> list[str]:
    """Return the program and arguments of a process; an empty list if they cannot be read."""
    with contextlib.suppress(OSError):  # it has just ended, or belongs to another user whom /proc hides
        return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]
    return []


def is_local(node: Node, endpoint: TopicEndpointInfo) -> bool:
    """Return whether an endpoint is on this machine, by the host's part of its id."""
    own = node.get_publishers_info_by_topic("/parameter_events")
    hosts = {tuple(info.endpoint_gid[:4]) for info in own if info.node_name == node.get_name()}
    return tuple(endpoint.endpoint_gid[:4]) in hosts


def users_of_domain(domain: int) -> set[int]:
    """Return the uids that own ports of a ROS domain in shared memory on this machine."""
    ports = _ports(domain)
    return {status.st_uid for name, status in _files("fast*_port*") if name.partition("_port")[2] in ports}


def users_without_files(domain: int) -> set[int]:
    """Return the uids of processes of a ROS domain whose files in shared memory have been deleted.

    Only processes of this user are found, or all for root.
    """
    ports, uids = _ports(domain), set()
    for pid in set(_lock_holders().values()):
        locks = _own_locks(pid)
        if ports & {lock.rpartition("_port")[2] for lock in locks} and any(locks.values()):
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                uids.add(os.stat(f"/proc/{pid}").st_uid)
    return uids


def lacks_files() -> bool:
    """Return whether files in shared memory of this process have been deleted: others cannot open them any more."""
    return any(_own_locks(os.getpid()).values())


def other_users(node: Node, endpoints: Iterable[TopicEndpointInfo]) -> set[int]:
    """Return the uids of other users who run an endpoint on this machine, or may run it where that is unknown."""
    uids = set()
    for endpoint in endpoints:
        if segment := segment_of(endpoint):
            uids.add(segment.uid)
        elif is_local(node, endpoint):
            uids |= users_of_domain(node.context.get_domain_id())
    return uids - {os.geteuid()}


def closed_between(publisher: TopicEndpointInfo, subscription: TopicEndpointInfo) -> tuple[int, int] | None:
    """Return the uids of publisher and subscription if messages are lost because they differ.

    Fast DDS 3 sends by UDP if it may not open the subscriber's memory, but root may open it.
    """
    sender, receiver = segment_of(publisher), segment_of(subscription)
    if sender is None or receiver is None or sender.uid == receiver.uid:
        return None
    return (sender.uid, receiver.uid) if sender.uid == 0 or IS_FAST_DDS_2 else None


def user_name(uid: int) -> str:
    """Return `NAME (uid NUMBER)`."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:  # a user of a container
        return f"uid {uid}"


def _ports(domain: int) -> set[str]:
    """The port numbers that participants of a ROS domain may listen to."""
    return {f"{7411 + 250 * domain + 2 * participant}" for participant in range(MAX_PARTICIPANTS)}


def _lock_holders() -> dict[str, int]:
    """The processes of this machine that hold a lock on a file, by the device and number of the file."""
    locks = LOCKS.read_text() if LOCKS.exists() else ""
    return {file: int(pid) for pid, file in re.findall(r"FLOCK +ADVISORY +WRITE (\d+) (\w+:\w+:\d+) ", locks)}


def _own_locks(pid: int) -> dict[str, bool]:
    """The segments and ports beside which a process keeps a lock open: name → whether both files have been deleted.

    The lock is there before the other file, so that nothing is missing while a process starts.
    """
    locks = {}
    with contextlib.suppress(OSError):  # it has just ended, or belongs to another user
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # just closed
                if lock := re.fullmatch(rf"({SHARED_MEMORY}/fast\w+)_el( \(deleted\))?", os.readlink(descriptor)):
                    segment = Path(lock[1])
                    locks[segment.name] = lock[2] is not None and not segment.exists()
    return locks


def _files(pattern: str) -> Iterator[tuple[str, os.stat_result]]:
    """Names and status of files in shared memory."""
    for path in SHARED_MEMORY.glob(pattern):
        with contextlib.suppress(FileNotFoundError):  # its process has just ended
            yield path.name, path.stat()
