# The node on a Jetson Orin with JetPack 6.1 or 6.2 (Ubuntu 22.04, CUDA 12.6, TensorRT 10.3): Humble from packages.
# Not yet built: checked with hadolint only.
# PYTORCH is the wheel of PyTorch that was built for this JetPack, a URL; docs/installation.md names where to find it.
#
#   docker build --file docker/jetson.Dockerfile --build-arg PYTORCH=URL --tag bisenetformer:jetson .
#   docker run --rm --runtime nvidia --network host --ipc host --user "$(id -u)" --group-add video \
#     --volume bisenetformer:/cache bisenetformer:jetson \
#     ros2 launch bisenetformer_ros segment.launch.py image_topic:=/camera/image_raw
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0

ARG ROS_APT_SOURCE_VERSION=1.1.0
ENV DEBIAN_FRONTEND=noninteractive \
    PIP_NO_CACHE_DIR=1 \
    ROS_DISTRO=humble \
    ROS_HOME=/tmp/ros \
    XDG_CACHE_HOME=/cache
WORKDIR /ws

ADD https://github.com/ros-infrastructure/ros-apt-source/releases/download/${ROS_APT_SOURCE_VERSION}/ros2-apt-source_${ROS_APT_SOURCE_VERSION}.jammy_all.deb /tmp/ros2-apt-source.deb
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates /tmp/ros2-apt-source.deb \
    && apt-get update \
    && apt-get install --yes --no-install-recommends \
        build-essential python3-colcon-common-extensions python3-pip python3-rosdep ros-humble-ros-base \
    && rosdep init \
    && rm -rf /var/lib/apt/lists/*

# First what changes rarely: the dependencies.
COPY package.xml src/bisenetformer_ros/
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --rosdistro "$ROS_DISTRO" -y -t buildtool -t build -t exec \
        --skip-keys python3-pytorch-pip \
    && rm -rf /var/lib/apt/lists/*
ARG PYTORCH
# hadolint ignore=DL3013
RUN python3 -m pip install "${PYTORCH:?is missing: give --build-arg PYTORCH=URL}" 'numpy<2' safetensors mcap 'rich>=12.6' onnx onnxruntime

COPY . src/bisenetformer_ros
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" \
    && colcon build --cmake-args -DBUILD_TESTING=OFF \
    && install --directory --mode 1777 /cache

USER 1000
# `ros2 launch` handles SIGINT alone
STOPSIGNAL SIGINT
ENTRYPOINT ["/ws/src/bisenetformer_ros/docker/entrypoint.sh"]
CMD ["ros2", "launch", "bisenetformer_ros", "segment.launch.py"]
