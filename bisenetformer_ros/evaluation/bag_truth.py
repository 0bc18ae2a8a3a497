"""The labels of a recorded drive, found by the stamps of its images."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from bisenetformer_ros.bags.images import LABEL_DECODERS, BagImage, bag_images, neighbour
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.data.instances import connected_instances
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

LABEL_INFO = "vision_msgs/msg/LabelInfo"


class BagTruth:
    """Class ids of one topic and, if there is one, instance ids of another; a context manager.

    Where the bag has vision_msgs/LabelInfo beside the labels (/labels/mask, /labels/label_info), its names must be the
    model's. num_found: images that have labels. Raises InputError for the topics, ConfigError for other classes.
    """

    def __init__(self, path: Path, label_topic: str, instance_topic: str | None, labels: LabelMap) -> None:
        self.topic = label_topic
        self.num_found = 0
        self._labels = labels
        self._stack = ExitStack()
        with self._stack:  # closes what is open if something below fails
            self._label_images = self._stack.enter_context(_StampedImages(path, label_topic, "--label-topic"))
            self._instance_images = None
            if instance_topic is not None:
                images = _StampedImages(path, instance_topic, "--instance-topic")
                self._instance_images = self._stack.enter_context(images)
            _check_classes(path, label_topic, labels)
            self._stack = self._stack.pop_all()

    def __enter__(self) -> "BagTruth":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def has_instances(self) -> bool:
        """Whether the bag tells things apart; else connected components stand in for them."""
        return self._instance_images is not None

    def at(self, stamp_ns: int, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
        """Labels (H, W) uint8, 255 = ignored, and instances (H, W) integers, 0 = none, below 0 = crowds.

        To be asked in the order of the images. None without labels of this stamp. Raises DataError for labels that
        cannot be read or are not of `image_size`, (height, width).
        """
        values = self._label_images.at(stamp_ns, image_size)
        if values is None:
            return None
        known = (values >= 0) & (values < len(self._labels))
        label_map = np.where(known, values, UNLABELED).astype(np.uint8)
        self.num_found += 1
        if self._instance_images is None:
            return label_map, connected_instances(label_map, self._labels.thing_ids)
        instances = self._instance_images.at(stamp_ns, image_size)
        if instances is None:
            raise DataError(
                f"{self._instance_images.topic} has no instances of stamp {stamp_ns}, whose labels are there"
            )
        return label_map, instances.astype(np.int32)


class _StampedImages:
    """Walks through one topic alongside the images, so that no more than one message is held."""

    def __init__(self, path: Path, topic: str, option: str) -> None:
        self.topic = topic
        self._bag = Bag(path)
        try:
            self._bag.find(topic, LABEL_DECODERS, option)
        except Exception:
            self._bag.close()
            raise
        self._images = bag_images(path, self._bag.messages([topic]), LABEL_DECODERS)
        self._next = next(self._images, None)

    def __enter__(self) -> "_StampedImages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bag.close()

    def at(self, stamp_ns: int, image_size: tuple[int, int]) -> np.ndarray | None:
        while self._next is not None and self._next.stamp_ns < stamp_ns:
            self._next = next(self._images, None)
        if self._next is None or self._next.stamp_ns != stamp_ns:
            return None
        found, self._next = self._next, next(self._images, None)  # taken out: a drive in a loop comes by again
        return self._read(found, image_size)

    def _read(self, image: BagImage, image_size: tuple[int, int]) -> np.ndarray:
        try:
            values = image.read()
        except BadFrameError as error:
            raise DataError(f"{self.topic}, {image.name}: {error}") from error
        if values.shape != image_size:
            sizes = f"{values.shape[1]}x{values.shape[0]}, its image is {image_size[1]}x{image_size[0]}"
            raise DataError(f"{self.topic}, {image.name}: the label image is {sizes}; expected the same size")
        return values


def _check_classes(path: Path, label_topic: str, labels: LabelMap) -> None:
    topic = neighbour(label_topic, "label_info")
    with Bag(path) as bag:
        infos = (message for message in bag.messages([topic]) if message.type == LABEL_INFO)
        message = next(infos, None)
        if message is None:
            return
        info = message_types().deserialize_cdr(message.data, LABEL_INFO)
    names = {entry.class_id: entry.class_name for entry in info.class_map if entry.class_id != UNLABELED}
    expected = {label.id: label.name for label in labels}
    if names != expected:
        raise ConfigError(
            f"the model knows the classes {', '.join(expected.values())}; by {topic}, the labels are "
            f"{', '.join(names[class_id] for class_id in sorted(names))}"
        )
