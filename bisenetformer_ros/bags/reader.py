"""Reading a rosbag2: its topics and their messages."""

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import yaml

from bisenetformer_ros.bags.storage import Connection, McapFile, SqliteFile, StorageFile
from bisenetformer_ros.bags.topics import Topic, list_topics, surviving_topics
from bisenetformer_ros.commands import pip_install, quoted
from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.images.file_types import is_bag_file, is_image
from bisenetformer_ros.numbers import counted, first_of
from bisenetformer_ros.text_files import read_text

_PACKED = ".zstd"
"""Suffix of a storage file that is compressed as a whole."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""No CDR message starts with these bytes."""
_METADATA = "metadata.yaml"

BAG_PACKAGES = ("mcap", "rosbags", "zstandard")


@dataclass(frozen=True)
class BagMessage:
    """A serialized message.

    Attributes:
        connection: Its topic.
        time_ns: Time of recording.
        data: CDR.
    """

    connection: Connection
    time_ns: int
    data: bytes

    @property
    def topic(self) -> str:
        return self.connection.topic

    @property
    def type(self) -> str:
        return self.connection.msgtype


def is_bag(path: Path) -> bool:
    """Return whether `path` is a directory with metadata.yaml, or with storage files and no images, or a bag's name.

    This includes bags of ROS 1: `Bag` says how to convert them.
    """
    if not path.is_dir():
        return _is_storage(path) or _is_ros1(path)
    return (path / _METADATA).is_file() or (bool(_storage_files(path)) and not any(map(is_image, path.iterdir())))


class Bag:
    """An open rosbag2: a directory, or a single .mcap or .db3 file. A context manager.

    Attributes:
        path: As given.
        connections: Topics, one entry per recorded publisher.
        notes: Flaws of a bag that can be read in spite of them, one sentence each.

    Raises:
        InputError: The bag cannot be read. The message lists the topics that are known.
        ConfigError: A package is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import mcap  # noqa: F401
            import rosbags  # noqa: F401
            import zstandard  # noqa: F401
        except ModuleNotFoundError as error:
            raise ConfigError(f"reading a rosbag2 needs {error.name}: {pip_install(*BAG_PACKAGES)}") from error
        self.path = path
        self.notes: list[str] = []
        _check_exists(path)
        with ExitStack() as stack:  # closes the files if a step below fails
            try:
                paths, digests, note = _content(path)
                self.notes += [note] if note else []
                self._files = self._open(stack, paths)
            except OSError as error:
                raise InputError(f"{path}: the bag cannot be read: {error}") from error
            except Exception as error:  # the libraries for storage files declare no set of errors for damaged ones
                raise self._unreadable(error, surviving_topics(path)) from error
            self._stack = stack.pop_all()
        self.connections: list[Connection] = [
            connection if connection.digest else replace(connection, digest=digests.get(connection.msgtype, ""))
            for file in self._files
            for connection in file.connections
        ]

    def _open(self, stack: ExitStack, paths: list[Path]) -> list[StorageFile]:
        """Open all storage files and order them by time."""
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bisenetformer_bag_")))
        files: list[StorageFile] = []
        for number, path in enumerate(paths):
            path.stat()  # SQLite's error would not name a missing file
            plain = path
            if _is_packed(path):
                plain = Path(scratch, f"{number}_{path.stem}")
                _unpack(path, plain)
            file: StorageFile = McapFile(plain) if plain.suffix.lower() == ".mcap" else SqliteFile(plain)
            stack.callback(file.close)
            files.append(file)
            if file.damage:
                count = counted(sum(connection.count for connection in file.connections), "message")
                self.notes.append(f"{path} is incomplete ({file.damage}). Read {count}{self._repair(path)}")
        return sorted(files, key=lambda file: file.begin_ns)

    def _repair(self, path: Path) -> str:
        """Name the command that repairs an mcap file, with a result outside of the bag."""
        if path.suffix.lower() != ".mcap":
            return ""
        repaired = self.path.parent / f"{path.name.partition('.')[0]}_recovered.mcap"
        return f"; {quoted(('mcap', 'recover', path, '-o', repaired))} repairs it"

    def __enter__(self) -> "Bag":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    @property
    def topics(self) -> list[Topic]:
        """Topics ordered by name, one entry for each type of a topic."""
        counts: dict[tuple[str, str], int] = {}
        for connection in self.connections:
            key = connection.topic, connection.msgtype
            counts[key] = counts.get(key, 0) + connection.count
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
        """Yield messages in order of recording.

        Args:
            topics: Names of topics; None for all.
            at_ns: Restrict to messages recorded at exactly this time.

        Raises:
            InputError: The bag is damaged.
        """
        count = 0
        try:
            for file in self._files:
                for connection, time_ns, data in file.messages(topics, at_ns):
                    message = BagMessage(connection, time_ns, _decompressed(data))
                    yield message
                    count += 1
        except Exception as error:  # see __init__
            raise self._unreadable(error, list_topics(self.topics), f" after {count} messages") from error

    def _unreadable(self, error: Exception, topics: str, where: str = "") -> InputError:
        reason = (str(error) or type(error).__name__).rstrip(".")
        return InputError(f"{self.path}: the bag cannot be read{where}: {reason}. {topics}")


def _decompressed(data: bytes) -> bytes:
    """Undo message compression, which only metadata.yaml declares: a file read without it looks uncompressed."""
    if not data.startswith(_ZSTD_MAGIC):
        return data
    from zstandard import ZstdDecompressor

    return ZstdDecompressor().decompressobj().decompress(data)


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == _PACKED


def _is_storage(path: Path) -> bool:
    return is_bag_file(path.with_suffix("") if _is_packed(path) else path)


def _is_ros1(path: Path) -> bool:
    return path.suffix.lower() == ".bag"


def _storage_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if _is_storage(path) and not path.name.startswith("."))


def _content(path: Path) -> tuple[list[Path], dict[str, str], str]:
    """Return the storage files of a bag, type → REP-2011 hash, which mcap files lack, and a note on the metadata."""
    if not path.is_dir():
        return [path], {}, ""
    stored = _storage_files(path)
    flaw = "has no metadata.yaml"
    if (path / _METADATA).is_file():
        try:
            metadata = yaml.safe_load(read_text(path / _METADATA))["rosbag2_bagfile_information"]
            files, digests = _listed_files(path, metadata["relative_file_paths"]), _digests(metadata)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as error:
            if not stored:
                raise
            flaw = f"has a damaged metadata.yaml ({type(error).__name__})"
        else:
            read = {file.name.removesuffix(_PACKED) for file in files}
            others = [file.name for file in stored if file.name.removesuffix(_PACKED) not in read]
            missing = [file.name for file in files if not file.is_file()]
            if not (others and missing):
                note = f"not listed in {path / _METADATA}, not read: {first_of(others)}" if others else ""
                return files, digests, note
            flaw = f"lacks files that its metadata.yaml lists: {first_of(missing)}"
    return stored, {}, f"{path} {flaw}; read its {counted(len(stored), 'file')} as one bag"


def _listed_files(directory: Path, names: list[str]) -> list[Path]:
    """Return the files of metadata.yaml, which rosbag2 may list without the suffix that compression adds."""
    if not names:
        raise ValueError("no files are listed")
    files = []
    for listed in names:
        path = directory / PurePath(listed).name
        candidates = path, Path(f"{path}{_PACKED}"), path.with_suffix("" if path.suffix == _PACKED else path.suffix)
        files.append(next((candidate for candidate in candidates if candidate.is_file()), path))
    return files


def _digests(metadata: dict[str, Any]) -> dict[str, str]:
    topics = (entry["topic_metadata"] for entry in metadata.get("topics_with_message_count") or ())
    return {topic["type"]: topic.get("type_description_hash", "") for topic in topics}


def _unpack(path: Path, plain: Path) -> None:
    from zstandard import ZstdDecompressor

    with open(path, "rb") as stream, open(plain, "wb") as unpacked:
        shutil.copyfileobj(ZstdDecompressor().stream_reader(stream, read_across_frames=True), unpacked)


def _check_exists(path: Path) -> None:
    if path.is_dir():
        if not (path / _METADATA).is_file() and not _storage_files(path):
            raise InputError(f"{path}: the directory is not a bag: it has no metadata.yaml and no .mcap or .db3 file")
        return
    if not path.exists():
        raise InputError(f"{path}: no such file or directory")
    if not is_bag(path):
        raise InputError(f"{path}: not a rosbag2; expected a directory with metadata.yaml, or an .mcap or .db3 file")
    if _is_ros1(path):
        command = quoted(("rosbags-convert", "--src", path, "--dst", path.with_suffix("")))
        raise InputError(f"{path}: a bag of ROS 1. Convert it: {command}")
