"""The network: plain PyTorch, no images, no ROS."""

from bisenetformer_ros.model.builders import build_model

__all__ = ["build_model"]
