# The node on a desktop without a GPU: PyTorch's CPU build, ONNX Runtime and OpenVINO.
# Not yet built: checked with hadolint only.
#
#   docker build --file docker/cpu.Dockerfile --tag bisenetformer:cpu .
#   docker run --rm --network host --ipc host --user "$(id -u)" --volume bisenetformer:/cache bisenetformer:cpu \
#     ros2 launch bisenetformer_ros segment.launch.py image_topic:=/camera/image_raw
FROM ros:jazzy-ros-base

ENV PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_NO_CACHE_DIR=1 \
    ROS_HOME=/tmp/ros \
    XDG_CACHE_HOME=/cache
WORKDIR /ws

# First what changes rarely: the dependencies.
COPY package.xml src/bisenetformer_ros/
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --rosdistro "$ROS_DISTRO" -y -t buildtool -t build -t exec \
        --skip-keys python3-pytorch-pip \
    && rm -rf /var/lib/apt/lists/*
COPY tools/requirements/constraints.txt /tmp/
RUN python3 -m pip install --constraint /tmp/constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu \
        torch 'numpy<2' safetensors mcap 'rich>=12.6' onnx onnxruntime onnxscript openvino

COPY . src/bisenetformer_ros
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" \
    && colcon build --cmake-args -DBUILD_TESTING=OFF \
    && install --directory --mode 1777 /cache

USER 1000
# `ros2 launch` handles SIGINT alone
STOPSIGNAL SIGINT
ENTRYPOINT ["/ws/src/bisenetformer_ros/docker/entrypoint.sh"]
CMD ["ros2", "launch", "bisenetformer_ros", "segment.launch.py"]
