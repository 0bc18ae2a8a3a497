"""Shared memory large enough for images in Fast DDS; see config/fastdds/large_images.xml."""

import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bisenetformer_ros.resources import share_dir

IS_FAST_DDS_2 = int(metadata.version("rclpy").split(".")[0]) < 9
"""Up to Jazzy."""
VARIABLE, OTHER_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
if IS_FAST_DDS_2:
    VARIABLE, OTHER_VARIABLE = OTHER_VARIABLE, VARIABLE
"""The variable that the Fast DDS of this distribution reads, and that of others."""
LARGE_IMAGES = Path("config/fastdds/large_images.xml")
"""Path below the share directory."""
SEGMENT_BYTES = 32 * 2**20
"""Segment size of the profiles. Two full-HD cameras with all outputs send 50 MB per round."""
SHARED_MEMORY = Path("/dev/shm")


def use_large_shared_memory() -> None:
    """Select the profile with the large segment for this process; call it before rclpy.init.

    No-op if the user has chosen a profile, if shared memory is scarce (Docker's default is 64 MiB), and for other
    middleware.
    """
    profile = profile_for(os.environ)
    free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else 0
    if profile is not None and free >= 4 * SEGMENT_BYTES:
        os.environ[VARIABLE] = str(profile)


def profile_for(environment: Mapping[str, str]) -> Path | None:
    """Return the profile for the environment of a process; None if the environment names one itself."""
    if environment.get(VARIABLE):
        return None
    suffix = "_localhost" if is_localhost_only(environment) else ""
    return share_dir() / LARGE_IMAGES.with_stem(LARGE_IMAGES.stem + suffix)


def is_localhost_only(environment: Mapping[str, str]) -> bool:
    """Return whether ROS is limited to this machine, for which it replaces Fast DDS's transports by its own."""
    is_localhost = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST"
    return is_localhost or environment.get("ROS_LOCALHOST_ONLY") == "1"
