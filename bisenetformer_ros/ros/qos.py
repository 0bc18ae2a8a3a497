"""Quality of service of the nodes' topics."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

# Reliable, so that RViz's default subscriber gets the images; depth 1, since only the newest is of use.
FRAME_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Best effort is compatible with every publisher, and camera_info is too small to be lost.
INFO_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
