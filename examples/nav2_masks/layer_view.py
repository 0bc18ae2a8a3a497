"""Publish the cost of every pixel as Nav2's semantic segmentation layer reads mask, confidence and label_info.

python examples/nav2_masks/layer_view.py --ros-args -p params_file:=config/nav2.yaml

Subscribes with the layer's QoS to the topics of the parameter file. Publishes ~/costs, sensor_msgs/Image mono8 in the
camera's resolution: 0 to 254, or 255 where the layer ignores the pixel. The layer itself projects these costs into the
costmap with a point cloud and waits for `samples_to_max_cost` observations of a cell; this node assumes them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

SENSOR_QOS = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
LABEL_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
IGNORED = 255


class CostTable:
    """Cost per class id.

    Args:
        source: an observation source of the layer, with its `class_types`.
        ids: class name → class id, from label_info.
    """

    def __init__(self, source: dict[str, Any], ids: dict[str, int]) -> None:
        self._base = np.full(256, IGNORED, np.uint8)
        self._max = np.full(256, IGNORED, np.uint8)
        self._mark_confidence = np.zeros(256, np.uint8)
        self.unlisted = set(ids)
        for class_type in source["class_types"]:
            costs = source[class_type]
            listed = [ids[name] for name in costs["classes"] if name in ids]
            self._base[listed], self._max[listed] = costs.get("base_cost", 0), costs.get("max_cost", 0)
            self._mark_confidence[listed] = costs.get("mark_confidence", 0)
            self.unlisted -= set(costs["classes"])

    def costs(self, mask: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Return (H, W) uint8: the maximum cost of confident pixels, the base cost of the others."""
        return np.where(confidence >= self._mark_confidence[mask], self._max[mask], self._base[mask])


class LayerView(Node):
    def __init__(self) -> None:
        super().__init__("layer_view")
        params_file = Path(self.declare_parameter("params_file", "config/nav2.yaml").value)
        content = yaml.safe_load(params_file.read_text(encoding="utf-8"))
        layer = content["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_layer"]
        self._source = layer[layer["observation_sources"]]
        self._table: CostTable | None = None
        self._mask = self._confidence = Image()
        self._publisher = self.create_publisher(Image, "~/costs", 1)
        self.create_subscription(LabelInfo, self._source["labels_topic"], self._on_labels, LABEL_QOS)
        self.create_subscription(Image, self._source["segmentation_topic"], self._on_mask, SENSOR_QOS)
        self.create_subscription(Image, self._source["confidence_topic"], self._on_confidence, SENSOR_QOS)

    def _on_labels(self, message: LabelInfo) -> None:
        self._table = CostTable(self._source, {entry.class_name: entry.class_id for entry in message.class_map})
        for name in sorted(self._table.unlisted):
            self.get_logger().error(f"class '{name}' is not listed in the parameter file; the layer ignores it")

    def _on_mask(self, message: Image) -> None:
        self._mask = message
        self._publish()

    def _on_confidence(self, message: Image) -> None:
        self._confidence = message
        self._publish()

    def _publish(self) -> None:
        """Publish the costs when mask and confidence are of the same camera image."""
        if self._table is None or self._mask.header != self._confidence.header:
            return
        costs = self._table.costs(pixels(self._mask), pixels(self._confidence))
        height, width = costs.shape
        self._publisher.publish(
            Image(
                header=self._mask.header,
                height=height,
                width=width,
                encoding="mono8",
                step=width,
                data=costs.tobytes(),
            )
        )


def pixels(message: Image) -> np.ndarray:
    """Return the (H, W) uint8 view of a mono8 image."""
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, : message.width]


def main() -> None:
    rclpy.init()
    try:
        rclpy.spin(LayerView())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # otherwise Ctrl-C came between two steps of rclpy
            raise


if __name__ == "__main__":
    main()
