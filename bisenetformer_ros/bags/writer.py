"""Writing a rosbag2: mcap or sqlite3, plain or compressed with zstd."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import BAG_PACKAGES, BagMessage
from bisenetformer_ros.bags.storage import Connection
from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import ConfigError, InputError

STORAGES = ("mcap", "sqlite3")
COMPRESSIONS = ("none", "chunk", "message", "file")
"""What zstd compresses: nothing, the chunks of an mcap file, each message, or the finished file."""

_VERSION: Literal[8] = 8
"""Version of metadata.yaml. Since 9 (ROS 2 Jazzy), it stores QoS in a form that older distributions reject."""
_IDL_HEADING = re.compile("^={80}\nIDL: .*\n", re.MULTILINE)
"""What rosbag2 writes above each type of an IDL definition."""


class BagWriter:
    """A new bag; a context manager. The bag is at `path` after an exit without error; nothing is there before.

    Args:
        path: Directory to create.
        storage: One of STORAGES.
        compression: One of COMPRESSIONS; "chunk" needs mcap.

    Raises:
        InputError: `path` exists.
        ConfigError: Storage and compression do not fit, or rosbags is not installed.
        OSError: The disk is full.
    """

    def __init__(self, path: Path, storage: str = "mcap", compression: str = "none") -> None:
        try:
            from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
        except ModuleNotFoundError as error:
            raise ConfigError(f"writing a rosbag2 needs rosbags: {pip_install(*BAG_PACKAGES)}") from error
        if (storage, compression) == ("sqlite3", "chunk"):
            raise ConfigError("sqlite3 has no chunk compression; expected none, message or file, or --storage mcap")
        if path.exists():
            raise InputError(f"{path} already exists; expected the name of a new directory for the bag")
        self.path = path
        self._storage = StoragePlugin[storage.upper()]
        modes = {"none": "NONE", "chunk": "STORAGE", "message": "MESSAGE", "file": "FILE"}
        self._compression = CompressionMode[modes[compression]], CompressionFormat.ZSTD
        self._unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
        self._writer: Any = None
        self._connections: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> "BagWriter":
        from rosbags.rosbag2 import Writer

        shutil.rmtree(self._unfinished, ignore_errors=True)  # of a killed process that had the same number
        with self._removing_what_fails():
            # rosbags names the storage file after its directory.
            self._writer = Writer(self._unfinished / self.path.name, version=_VERSION, storage_plugin=self._storage)
            self._writer.set_compression(*self._compression)
            self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._removing_what_fails():
            self._writer.__exit__(kind, error, trace)  # flushes, which fails on a full disk
            if error is None:
                self._publish()
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def _publish(self) -> None:
        try:
            os.rename(self._unfinished / self.path.name, self.path)
        except OSError as error:
            if self.path.exists():
                raise InputError(f"{self.path} was written by another process meanwhile; it is kept") from error
            raise

    @contextmanager
    def _removing_what_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            if isinstance(error, sqlite3.Error):
                raise OSError(f"{self.path}: the bag could not be written ({error})") from error
            raise

    def add_topic(self, topic: str, kind: str, latched: bool = False) -> None:
        """Add a topic of type `kind`. Its messages are played as transient local if it is latched."""
        self._connections[topic, kind] = self._writer.add_connection(
            topic, kind, typestore=message_types(), offered_qos_profiles=[_latched_qos()] if latched else []
        )

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """Write a message, an object of `message_types()`, with its time of recording."""
        kind = message.__msgtype__
        self._write(self._connections[topic, kind], time_ns, message_types().serialize_cdr(message, kind))

    def copy_topic(self, connection: Connection) -> bool:
        """Add a topic of another bag. Returns False if the definition of its type is unknown or cannot be parsed."""
        key = connection.topic, connection.msgtype
        if key in self._connections:  # each publisher of a topic has a connection
            return True
        definition = _definition(connection)
        if definition is None:
            return False
        text, digest = definition
        self._connections[key] = self._writer.add_connection(
            *key, msgdef=text, rihs01=digest, offered_qos_profiles=_parse_qos(connection.qos)
        )
        return True

    def copy(self, message: BagMessage) -> None:
        """Write a serialized message of another bag, whose topic was added by `copy_topic`."""
        self._write(self._connections[message.topic, message.type], message.time_ns, message.data)

    def _write(self, connection: Any, time_ns: int, data: Any) -> None:
        with self._removing_what_fails():
            self._writer.write(connection, time_ns, data)


def _definition(connection: Connection) -> tuple[str, str] | None:
    """Return the full definition of the connection's type and its REP-2011 hash."""
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    kind, (form, text) = connection.msgtype, connection.definition
    if text and connection.digest:
        return text, connection.digest
    if text:
        store = get_typestore(Stores.EMPTY)
        with suppress(Exception):  # rosbags declares no set of errors for definitions that it cannot parse
            if form == "ros2msg":
                store.register(get_types_from_msg(text, kind))
            else:
                store.register(get_types_from_idl(_IDL_HEADING.sub("", text)))
            return text, store.hash_rihs01(kind)
    store = message_types()
    return (store.generate_msgdef(kind, ros_version=2)[0], store.hash_rihs01(kind)) if kind in store.fielddefs else None


def _parse_qos(text: str) -> list[Any]:
    """Parse offered QoS profiles; an empty list, which stands for the default, if they are malformed."""
    from rosbags.rosbag2.metadata import parse_qos

    with suppress(Exception):  # as in _definition
        return parse_qos(text)
    return []


def _latched_qos() -> Any:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(9223372036, 854775807)
    return Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        avoid_ros_namespace_conventions=False,
    )
