"""Reading a rosbag2: its topics and their messages."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bisenetformer_ros.bags.topics import Topic, list_topics, surviving_topics
from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.images.file_types import is_bag_file

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""No CDR message starts with these bytes."""


@dataclass(frozen=True)
class BagMessage:
    """A serialized message.

    Attributes:
        connection: The rosbags record of its topic.
        time_ns: Time of recording.
        data: CDR.
    """

    connection: Any
    time_ns: int
    data: bytes

    @property
    def topic(self) -> str:
        return self.connection.topic

    @property
    def type(self) -> str:
        return self.connection.msgtype


def is_bag(path: Path) -> bool:
    """Return whether `path` is a directory with metadata.yaml or is named like an .mcap or .db3 file."""
    return (path / "metadata.yaml").is_file() or is_bag_file(path)


class Bag:
    """An open rosbag2: a directory with metadata.yaml, or a single .mcap or .db3 file. A context manager.

    Raises:
        InputError: The bag cannot be read. The message lists the topics that are known.
        ConfigError: rosbags is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from rosbags.rosbag2 import Reader
        except ModuleNotFoundError as error:
            raise ConfigError("reading a rosbag2 needs rosbags: `pip install bisenetformer_ros[bags]`") from error
        self.path = path
        _check_exists(path)
        try:
            self._reader = Reader(path)
            self._reader.open()
            # In a damaged file, a name may be a value of any type.
            self._connections = {
                c.id: c._replace(topic=str(c.topic), msgtype=_full_name(str(c.msgtype)))
                for c in self._reader.connections
            }
        except Exception as error:  # rosbags and the libraries below it declare no set of errors for damaged files
            raise self._damaged(error) from error

    @property
    def connections(self) -> Collection[Any]:
        """The rosbags records of all topics, one per recorded publisher."""
        return self._connections.values()

    def __enter__(self) -> "Bag":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(Exception):  # a reader that failed part-way may fail to close
            self._reader.close()

    @property
    def topics(self) -> list[Topic]:
        """Topics ordered by name, one entry for each type of a topic."""
        counts: dict[tuple[str, str], int] = {}
        for connection in self.connections:
            key = connection.topic, connection.msgtype
            counts[key] = counts.get(key, 0) + connection.msgcount
        return [Topic(name, kind, count) for (name, kind), count in sorted(counts.items())]

    def find(self, topic: str, types: Collection[str], option: str) -> Topic:
        """Return the topic of this name.

        Args:
            topic: Name.
            types: Accepted message types.
            option: Command-line option that named the topic, for the error message.

        Raises:
            InputError: The topic is missing, has another type, or has no messages.
        """
        of_name = [candidate for candidate in self.topics if candidate.name == topic]
        of_type = [candidate for candidate in of_name if candidate.type in types]
        if of_type and of_type[0].count:
            return of_type[0]
        if of_type:
            problem = f"{topic} has no messages"
        elif of_name:
            problem = f"{topic} is of type {of_name[0].type}, expected {' or '.join(sorted(types))}"
        else:
            problem = f"there is no topic {topic}"
        raise InputError(f"{self.path}: {problem} ({option}). {list_topics(self.topics)}")

    def messages(self, topics: Collection[str] | None = None, at_ns: int | None = None) -> Iterator[BagMessage]:
        """Yield messages in order of recording. Only one such iteration may run at a time.

        Args:
            topics: Names of topics; None for all.
            at_ns: Restrict to messages recorded at exactly this time.

        Raises:
            InputError: The bag is damaged.
        """
        chosen = [c for c in self._reader.connections if topics is None or c.topic in topics]
        end_ns = None if at_ns is None else at_ns + 1
        stream = self._reader.messages(chosen, at_ns, end_ns) if chosen else iter(())
        count = 0
        while True:
            try:
                connection, time_ns, data = next(stream)
                message = BagMessage(self._connections[connection.id], time_ns, _decompressed(bytes(data)))
            except StopIteration:
                return
            except Exception as error:  # see __init__
                raise self._damaged(error, f" after {count} messages") from error
            yield message
            count += 1

    def _damaged(self, error: Exception, where: str = "") -> InputError:
        reason = (str(error) or type(error).__name__).rstrip(".")
        return InputError(f"{self.path}: the bag cannot be read{where}: {reason}. {surviving_topics(self.path)}")


def _full_name(name: str) -> str:
    """Expand sensor_msgs/Image, which some writers use, to sensor_msgs/msg/Image."""
    package, _, kind = name.partition("/")
    return f"{package}/msg/{kind}" if kind and "/" not in kind else name


def _decompressed(data: bytes) -> bytes:
    """Undo message compression, which only metadata.yaml declares: a file read without it looks uncompressed."""
    if not data.startswith(_ZSTD_MAGIC):
        return data
    from zstandard import ZstdDecompressor

    return ZstdDecompressor().decompressobj().decompress(data)


def _check_exists(path: Path) -> None:
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = sorted(file.name for file in path.iterdir() if is_bag_file(file))
        hint = f"read one of its files alone ({', '.join(files)}) or run `ros2 bag reindex`" if files else "not a bag"
        raise InputError(f"{path}: the directory has no metadata.yaml: {hint}")
    if not is_bag(path):
        raise InputError(f"{path}: not a rosbag2; expected a directory with metadata.yaml, or an .mcap or .db3 file")
    if is_bag_file(path) and not path.exists():
        raise InputError(f"{path}: no such file")
