"""Shared memory large enough for images in Fast DDS; see config/fastdds/large_images.xml."""

import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bisenetformer_ros.resources import share_dir

VARIABLE, OTHER_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
if int(metadata.version("rclpy").split(".")[0]) < 9:  # up to Jazzy, which has Fast DDS 2
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
    range_limit, localhost_only = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"
    is_local = environment.get(range_limit) == "LOCALHOST" or environment.get(localhost_only) == "1"
    profile = LARGE_IMAGES.with_stem(f"{LARGE_IMAGES.stem}_localhost") if is_local else LARGE_IMAGES
    return share_dir() / profile
