"""Room for images in the shared memory that Fast DDS sends them through; see config/fastdds/large_images.xml."""

import os
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from bisenetformer_ros.resources import share_dir

VARIABLE, OTHER_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"
if int(metadata.version("rclpy").split(".")[0]) < 9:  # up to Jazzy, which has Fast DDS 2
    VARIABLE, OTHER_VARIABLE = OTHER_VARIABLE, VARIABLE
"""What the Fast DDS of this ROS 2 reads, and what those of other distributions read."""
LARGE_IMAGES = Path("config/fastdds/large_images.xml")
"""Below the share directory."""
SEGMENT_BYTES = 32 * 2**20
"""Of the profiles. Two full-HD cameras with all their label images are 50 MB per round, read while they are sent."""
SHARED_MEMORY = Path("/dev/shm")


def make_room_for_images() -> None:
    """Gives this process the large segment; to be called before rclpy.init. Other middlewares do not mind.

    Leaves everything as it is where somebody has chosen a profile, or where the machine has little shared memory, as
    a container with Docker's default of 64 MiB.
    """
    profile = profile_for(os.environ)
    free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else 0
    if profile is not None and free >= 4 * SEGMENT_BYTES:
        os.environ[VARIABLE] = str(profile)


def profile_for(environment: Mapping[str, str]) -> Path | None:
    """The file that fits to the environment of a process; None if it names one itself."""
    if environment.get(VARIABLE):
        return None
    range_limit, localhost_only = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"
    is_local = environment.get(range_limit) == "LOCALHOST" or environment.get(localhost_only) == "1"
    profile = LARGE_IMAGES.with_stem(f"{LARGE_IMAGES.stem}_localhost") if is_local else LARGE_IMAGES
    return share_dir() / profile
