#!/bin/bash
# Sources ROS 2 and the workspace, then runs the command.
set -e
# shellcheck disable=SC1091
source /ws/install/setup.bash
exec "$@"
