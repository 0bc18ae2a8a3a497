"""Commands that need ROS 2 say so where it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from bisenetformer_ros.errors import ConfigError


@contextmanager
def ros_needed() -> Iterator[None]:
    """Around the imports of bisenetformer_ros.ros. Raises ConfigError for a module that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"ROS 2 is needed and '{error.name}' is missing: source a ROS 2 installation, or, in a checkout after "
            "`make setup`, tools/env.sh"
        ) from error
