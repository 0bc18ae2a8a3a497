"""Message types of a live graph, by their ROS names."""

from functools import cache
from importlib import import_module
from typing import Any

from bisenetformer_ros.messages import MessageFactory


@cache
def message_type(name: str) -> type:
    """Return the class of a type like "sensor_msgs/msg/Image"."""
    package, _, kind = name.split("/")
    return getattr(import_module(f"{package}.msg"), kind)


def _new(name: str, /, **fields: Any) -> Any:
    return message_type(name)(**fields)


def _set_data(message: Any, buffer: Any) -> None:
    message.data.frombytes(buffer)  # one copy; the constructor and assigning `data` both make another one


messages = MessageFactory(_new, _set_data)
"""Builds messages that rclpy publishes."""
