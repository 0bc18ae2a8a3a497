"""The network: plain PyTorch, no images, no ROS."""

from bisenetformer_ros.model.builders import build_model
from bisenetformer_ros.model.checkpoint import load_model

__all__ = ["build_model", "load_model"]
