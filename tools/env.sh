# Source this in bash: puts the workspace's Python, ROS 2 and the built messages into the environment.
_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PATH="$_root/.venv/bin:$PATH"
if [ -d "$_root/.venv/share/rclpy" ]; then # ROS 2 from wheels lives in the venv
    export AMENT_PREFIX_PATH="$_root/.venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
fi
source "$_root/install/local_setup.bash"
unset _root
