"""A rosbag2, open for reading: its topics and their messages. Errors list what the bag holds."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bisenetformer_ros.bags.damage import Topic, list_topics, surviving_topics
from bisenetformer_ros.errors import ConfigError, InputError

STORAGE_SUFFIXES = (".mcap", ".db3")
_ZSTD = b"\x28\xb5\x2f\xfd"
"""No serialized message begins like this."""


@dataclass(frozen=True)
class BagMessage:
    """One serialized message. time_ns: when it was recorded. data: CDR. connection: rosbags' record of its topic."""

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
    """Whether `path` looks like a bag: a directory with metadata.yaml, or a single .mcap or .db3 file."""
    return (path / "metadata.yaml").is_file() or path.suffix in STORAGE_SUFFIXES


class Bag:
    """A directory with metadata.yaml, or a single .mcap or .db3 file; a context manager.

    Raises InputError for what cannot be read, with the topics that are known of it, and ConfigError without rosbags.
    """

    def __init__(self, path: Path) -> None:
        try:
            from rosbags.rosbag2 import Reader
        except ModuleNotFoundError as error:
            raise ConfigError("reading a rosbag2 needs rosbags: `pip install bisenetformer_ros[bags]`") from error
        self.path = path
        _check_is_there(path)
        try:
            self._reader = Reader(path)
            self._reader.open()
        except Exception as error:  # a damaged file makes the libraries below fail in ways that they do not declare
            raise self._damaged(error) from error
        self._connections = {c.id: c._replace(msgtype=_full_name(c.msgtype)) for c in self._reader.connections}

    @property
    def connections(self) -> Collection[Any]:
        """rosbags' record of every topic and publisher."""
        return self._connections.values()

    def __enter__(self) -> "Bag":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with suppress(Exception):  # a reader that failed half-way may not close
            self._reader.close()

    @property
    def topics(self) -> list[Topic]:
        """Ordered by name; one entry per type where a topic has several."""
        counts: dict[tuple[str, str], int] = {}
        for connection in self.connections:
            key = connection.topic, connection.msgtype
            counts[key] = counts.get(key, 0) + connection.msgcount
        return [Topic(name, kind, count) for (name, kind), count in sorted(counts.items())]

    def find(self, topic: str, types: Collection[str], option: str) -> Topic:
        """The topic of this name; raises InputError if it is missing, is of none of `types`, or has no messages.

        option: how the user named it, for the message.
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
        """The messages of these topics, or of all, in order of recording; one iteration at a time.

        at_ns: only those recorded at this time. Raises InputError where the bag is damaged.
        """
        chosen = [c for c in self._reader.connections if topics is None or c.topic in topics]
        end_ns = None if at_ns is None else at_ns + 1
        stream = self._reader.messages(chosen, at_ns, end_ns) if chosen else iter(())
        count = 0
        while True:
            try:
                connection, time_ns, data = next(stream)
                message = BagMessage(self._connections[connection.id], time_ns, _plain(bytes(data)))
            except StopIteration:
                return
            except Exception as error:  # as above
                raise self._damaged(error, f"after {count} messages") from error
            yield message
            count += 1

    def _damaged(self, error: Exception, where: str = "") -> InputError:
        reason = str(error) or type(error).__name__
        where = f" {where}" if where else ""
        return InputError(
            f"{self.path}: the bag cannot be read{where}: {reason.rstrip('.')}. {surviving_topics(self.path)}"
        )


def _full_name(name: str) -> str:
    """sensor_msgs/Image, as some writers have it → sensor_msgs/msg/Image."""
    package, _, kind = name.partition("/")
    return f"{package}/msg/{kind}" if kind and "/" not in kind else name


def _plain(data: bytes) -> bytes:
    """The file of a bag whose messages are compressed does not tell so when it is read without its metadata.yaml."""
    if not data.startswith(_ZSTD):
        return data
    from zstandard import ZstdDecompressor

    return ZstdDecompressor().decompressobj().decompress(data)


def _check_is_there(path: Path) -> None:
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = sorted(file.name for file in path.iterdir() if file.suffix in STORAGE_SUFFIXES)
        hint = f"read one of its files alone ({', '.join(files)}) or run `ros2 bag reindex`" if files else "no bag"
        raise InputError(f"{path}: the directory has no metadata.yaml: {hint}")
    if not is_bag(path):
        raise InputError(f"{path}: no rosbag2; expected a directory with metadata.yaml, or an .mcap or .db3 file")
    if path.suffix in STORAGE_SUFFIXES and not path.exists():
        raise InputError(f"{path}: no such file")
