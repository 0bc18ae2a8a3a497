"""Labels of a bag, matched to its images by stamp."""

from collections import Counter, deque
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bisenetformer_ros.bags.images import LABEL_DECODERS, BagImage, bag_images, neighbour
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.data.sample import connected_instances, known_classes
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

LABEL_INFO = "vision_msgs/msg/LabelInfo"


class BagTruth:
    """Class ids and, optionally, instance ids from topics of a bag; a context manager.

    If the label topic has a sibling label_info (/labels/mask, /labels/label_info), its class names must be the model's.

    Attributes:
        topic: Label topic.
        num_found: Number of images whose labels were found.
        ignored: Value → pixels of their labels that are ignored as they are no class ids.

    Raises:
        InputError: A topic cannot be read.
        ConfigError: The labels have other classes than the model.
    """

    def __init__(self, path: Path, label_topic: str, instance_topic: str | None, labels: LabelMap) -> None:
        self.topic = label_topic
        self.num_found = 0
        self.ignored: Counter[int] = Counter()
        self._labels = labels
        self._instance_images = None
        with ExitStack() as stack:  # closes the bag if a step below fails
            bag = stack.enter_context(Bag(path))
            self._label_images = _StampedImages(bag, label_topic, "--label-topic")
            if instance_topic is not None:
                self._instance_images = _StampedImages(bag, instance_topic, "--instance-topic")
            _check_classes(bag, label_topic, labels)
            self._stack = stack.pop_all()

    def __enter__(self) -> "BagTruth":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def has_instances(self) -> bool:
        """Whether instance ids are read; otherwise connected components are used as instances."""
        return self._instance_images is not None

    def at(self, stamp_ns: int, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the labels of an image, whenever they were recorded, once.

        Of several label images with this stamp, as in a drive that was recorded in a loop, each call returns the next.

        Args:
            stamp_ns: Stamp of the image.
            image_size: (height, width).

        Returns:
            (H, W) uint8 class ids, 255 = ignored, and (H, W) int32 instance ids, 0 = none. None if no label image has
            this stamp.

        Raises:
            DataError: The labels cannot be decoded or differ in size, or their instance ids are missing.
        """
        values = self._label_images.at(stamp_ns, image_size)
        if values is None:
            return None
        label_map = known_classes(values, len(self._labels), self.ignored)
        self.num_found += 1
        if self._instance_images is None:
            return label_map, connected_instances(label_map, self._labels.thing_ids)
        instances = self._instance_images.at(stamp_ns, image_size)
        if instances is None:
            raise DataError(f"{self._instance_images.topic} has no image of stamp {stamp_ns}, but {self.topic} has")
        return label_map, instances.astype(np.int32)


class _StampedImages:
    """The images of a label topic by stamp. Only their times of recording are kept in memory."""

    def __init__(self, bag: Bag, topic: str, option: str) -> None:
        bag.find(topic, LABEL_DECODERS, option)
        self.topic = topic
        self._bag = bag
        self._recorded: dict[int, deque[tuple[str, int]]] = {}
        for image in bag_images(bag.path, bag.messages([topic]), LABEL_DECODERS):
            self._recorded.setdefault(image.stamp_ns, deque()).append((image.name, image.message.time_ns))

    def at(self, stamp_ns: int, image_size: tuple[int, int]) -> np.ndarray | None:
        if not self._recorded.get(stamp_ns):
            return None
        name, time_ns = self._recorded[stamp_ns].popleft()
        found = (BagImage(name, message, LABEL_DECODERS) for message in self._bag.messages([self.topic], time_ns))
        return self._read(next(image for image in found if image.stamp_ns == stamp_ns), image_size)

    def _read(self, image: BagImage, image_size: tuple[int, int]) -> np.ndarray:
        try:
            values = image.read()
        except BadFrameError as error:
            raise DataError(f"{self.topic}, {image.name}: {error}") from error
        if values.shape != image_size:
            sizes = f"{values.shape[1]}x{values.shape[0]}, its image is {image_size[1]}x{image_size[0]}"
            raise DataError(f"{self.topic}, {image.name}: the label image is {sizes}; expected the same size")
        return values


def _check_classes(bag: Bag, label_topic: str, labels: LabelMap) -> None:
    topic = neighbour(label_topic, "label_info")
    message = next((message for message in bag.messages([topic]) if message.type == LABEL_INFO), None)
    if message is None:
        return
    try:
        info = message_types().deserialize_cdr(message.data, LABEL_INFO)
    except Exception as error:  # rosbags declares no set of errors for damaged messages
        raise DataError(f"{bag.path}: the message on {topic} is not a {LABEL_INFO}: {error}") from error
    names = {entry.class_id: entry.class_name for entry in info.class_map if entry.class_id != UNLABELED}
    expected = {label.id: label.name for label in labels}
    if names != expected:
        raise ConfigError(
            f"the model has the classes {', '.join(expected.values())}; according to {topic}, the labels have "
            f"{', '.join(names[class_id] for class_id in sorted(names))}"
        )
