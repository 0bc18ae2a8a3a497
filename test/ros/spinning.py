"""What the processes of the tests share."""

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


def spin(node: Node) -> None:
    """Spin until the process is interrupted. A signal between two steps of rclpy is an error of either step."""
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise
