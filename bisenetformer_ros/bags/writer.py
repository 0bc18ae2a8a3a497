"""Writing a rosbag2: mcap or sqlite3, plain or compressed with zstd."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import BagMessage
from bisenetformer_ros.errors import ConfigError, InputError

STORAGES = ("mcap", "sqlite3")
COMPRESSIONS = ("none", "chunk", "message", "file")
"""What zstd compresses: nothing, the chunks within an mcap, every message, or the finished file."""

_VERSION: Literal[8] = 8
"""Of metadata.yaml. From 9 on (ROS 2 Jazzy), the QoS of topics is written in a way that older distributions refuse."""


class BagWriter:
    """A new bag in the directory `path`; a context manager, which removes the directory if it ends with an error.

    Raises InputError if the path exists, ConfigError for chunk compression of sqlite3 and without rosbags, OSError if
    the disk is full.
    """

    def __init__(self, path: Path, storage: str = "mcap", compression: str = "none") -> None:
        try:
            from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        except ModuleNotFoundError as error:
            raise ConfigError("writing a rosbag2 needs rosbags: `pip install bisenetformer_ros[bags]`") from error
        if (storage, compression) == ("sqlite3", "chunk"):
            raise ConfigError("compression chunk is mcap's own; for sqlite3 take none, message or file")
        if path.exists():
            raise InputError(f"{path} exists already; expected the name of a new directory for the bag")
        modes = {"none": "NONE", "chunk": "STORAGE", "message": "MESSAGE", "file": "FILE"}
        self.path = path
        self._writer = Writer(path, version=_VERSION, storage_plugin=StoragePlugin[storage.upper()])
        self._writer.set_compression(CompressionMode[modes[compression]], CompressionFormat.ZSTD)
        self._connections: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> "BagWriter":
        with self._removing_what_fails():
            self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._removing_what_fails():
            self._writer.__exit__(kind, error, trace)  # writes what is left, for which a full disk has no room
        if error is not None:
            shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def _removing_what_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            shutil.rmtree(self.path, ignore_errors=True)
            if isinstance(error, sqlite3.Error):
                raise OSError(f"{self.path}: the bag could not be written ({error})") from error
            raise

    def add_topic(self, topic: str, kind: str, latched: bool = False) -> None:
        """Latched messages are played as transient local, so that who comes late gets the last one."""
        self._connections[topic, kind] = self._writer.add_connection(
            topic, kind, typestore=message_types(), offered_qos_profiles=[_latched_qos()] if latched else []
        )

    def write(self, topic: str, time_ns: int, message: Any) -> None:
        """message: of `message_types()`. time_ns: when it is played, relative to the other messages."""
        kind = message.__msgtype__
        self._write(self._connections[topic, kind], time_ns, message_types().serialize_cdr(message, kind))

    def copy_topic(self, connection: Any) -> bool:
        """Takes over a topic of another bag; False if neither that bag nor rosbags knows how its type is defined."""
        key = connection.topic, connection.msgtype
        if key in self._connections:  # several publishers may have been recorded one by one
            return True
        definition = _definition(connection)
        if definition is None:
            return False
        msgdef, digest = definition
        self._connections[key] = self._writer.add_connection(
            connection.topic,
            connection.msgtype,
            msgdef=msgdef,
            rihs01=digest,
            offered_qos_profiles=connection.ext.offered_qos_profiles,
        )
        return True

    def copy(self, message: BagMessage) -> None:
        """Writes a message of another bag, whose topic was taken over, as it is."""
        self._write(self._connections[message.topic, message.type], message.time_ns, message.data)

    def _write(self, connection: Any, time_ns: int, data: Any) -> None:
        with self._removing_what_fails():
            self._writer.write(connection, time_ns, data)


def _definition(connection: Any) -> tuple[str, str] | None:
    """The definition of the connection's type with all that it contains, and its REP-2011 hash."""
    from rosbags.interfaces import MessageDefinitionFormat
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    kind, definition = connection.msgtype, connection.msgdef
    if definition.format == MessageDefinitionFormat.NONE:
        store = message_types()
        if kind not in store.fielddefs:
            return None
        return store.generate_msgdef(kind, ros_version=2)[0], store.hash_rihs01(kind)
    if connection.digest:
        return definition.data, connection.digest
    store = get_typestore(Stores.EMPTY)
    if definition.format == MessageDefinitionFormat.MSG:
        store.register(get_types_from_msg(definition.data, kind))
    else:
        store.register(get_types_from_idl(definition.data))
    return definition.data, store.hash_rihs01(kind)


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
