"""Storage files of a rosbag2: mcap and sqlite3.

They are read here rather than by rosbags, which rejects a whole bag for one topic that ROS cannot decode.
"""

import heapq
import sqlite3
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CDR = "cdr"
DEFINITION_FORMATS = ("ros2msg", "ros2idl")


@dataclass(frozen=True)
class Connection:
    """A topic as one publisher of it was recorded.

    Attributes:
        topic: Name.
        msgtype: Full message type, such as `sensor_msgs/msg/Image`. If its serialization is not CDR, it is appended, as
            in `foxglove.CompressedImage (protobuf)`.
        count: Number of messages.
        definition: Format of the type's definition, one of DEFINITION_FORMATS, and its text; both empty if unknown.
        qos: YAML of the offered QoS profiles; empty if unknown.
        digest: REP-2011 hash of the type; empty if unknown.
    """

    topic: str
    msgtype: str
    count: int
    definition: tuple[str, str] = ("", "")
    qos: str = ""
    digest: str = ""


Record = tuple[Connection, int, bytes]
"""Connection, time of recording in ns, and data of a message."""


class StorageFile(Protocol):
    """An open storage file.

    Attributes:
        connections: Topics.
        begin_ns: Time of the first message; 0 if there is none.
        damage: Why a part of the file is missing; empty for a whole file.
    """

    connections: list[Connection]
    begin_ns: int
    damage: str

    def messages(self, topics: Collection[str] | None, at_ns: int | None) -> Iterator[Record]:
        """Yield messages by time of recording; see `Bag.messages`."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class _Block:
    """A chunk of an mcap file, or a message outside of chunks."""

    begin_ns: int
    end_ns: int
    offset: int
    channels: frozenset[int] = frozenset()
    """Channels of its messages; empty if unknown."""


class McapFile:
    """An mcap file. A file without an index, as after a power failure, is read up to where it ends."""

    def __init__(self, path: Path) -> None:
        self.damage = ""
        self._stream = open(path, "rb")  # noqa: SIM115  (closed by `close`)
        self._blocks: list[_Block] = []
        self._schemas: dict[int, Any] = {}
        self._channels: dict[int, Any] = {}
        self._counts: Counter[int] = Counter()
        try:
            if not self._read_index():
                self._scan()
        except BaseException:
            self.close()
            raise
        self._connections = {number: self._connection(channel) for number, channel in self._channels.items()}
        self.connections = list(self._connections.values())
        self.begin_ns = min((block.begin_ns for block in self._blocks), default=0)

    def close(self) -> None:
        self._stream.close()

    def _read_index(self) -> bool:
        """Read the summary at the end; return whether it is there and complete."""
        from mcap.reader import make_reader

        summary = None
        with suppress(Exception):  # mcap declares no set of errors; the scan reports what is wrong
            summary = make_reader(self._stream).get_summary()
        if summary is None or summary.statistics is None or not summary.channels:
            return False
        if summary.statistics.message_count and not summary.chunk_indexes:
            return False
        self._channels, self._schemas = summary.channels, summary.schemas
        self._counts.update(summary.statistics.channel_message_counts)
        self._blocks = [
            _Block(
                chunk.message_start_time,
                chunk.message_end_time,
                chunk.chunk_start_offset,
                frozenset(chunk.message_index_offsets),
            )
            for chunk in summary.chunk_indexes
        ]
        return True

    def _scan(self) -> None:
        """Read the records from the start, up to the end or the damage."""
        from mcap.exceptions import EndOfFile
        from mcap.records import Chunk, Message
        from mcap.stream_reader import StreamReader, breakup_chunk

        self._stream.seek(0)
        begin = 0
        try:
            for record in StreamReader(self._stream, emit_chunks=True).records:
                if isinstance(record, Chunk):
                    content = breakup_chunk(record, validate_crc=True)
                    self._blocks.append(_Block(record.message_start_time, record.message_end_time, begin))
                else:
                    content = [record]
                    if isinstance(record, Message):
                        self._blocks.append(_Block(record.log_time, record.log_time, begin))
                self._learn(content)
                begin = self._stream.tell()
        except Exception as error:  # as in _read_index
            ended = isinstance(error, (EndOfFile, struct.error))
            if not self._counts:
                raise ValueError("the file ends before its first message") if ended else error from error
            unfinished = "its end is missing: the recording runs, did not end properly, or was cut"
            self.damage = unfinished if ended else str(error)

    def _learn(self, records: list[Any]) -> None:
        from mcap.records import Channel, Message, Schema

        for record in records:
            if isinstance(record, Schema):
                self._schemas[record.id] = record
            elif isinstance(record, Channel):
                self._channels[record.id] = record
            elif isinstance(record, Message):
                self._counts[record.channel_id] += 1

    def _connection(self, channel: Any) -> Connection:
        schema = self._schemas.get(channel.schema_id)
        definition = ("", "")
        if schema and schema.encoding in DEFINITION_FORMATS:
            definition = schema.encoding, schema.data.decode(errors="replace")
        return Connection(
            channel.topic,
            _type_name(schema.name if schema else "without schema", channel.message_encoding),
            self._counts[channel.id],
            definition,
            channel.metadata.get("offered_qos_profiles", ""),
        )

    def messages(self, topics: Collection[str] | None, at_ns: int | None) -> Iterator[Record]:
        chosen = {
            number: connection
            for number, connection in self._connections.items()
            if topics is None or connection.topic in topics
        }
        waiting: list[tuple[int, int, int, Any]] = []  # time, offset of the block, position in it, message
        for block in sorted(self._blocks, key=lambda block: block.begin_ns):
            if at_ns is not None and not block.begin_ns <= at_ns <= block.end_ns:
                continue
            if block.channels and block.channels.isdisjoint(chosen):
                continue
            while waiting and waiting[0][0] < block.begin_ns:  # chunks may overlap in time
                time_ns, *_, message = heapq.heappop(waiting)
                yield chosen[message.channel_id], time_ns, message.data
            for position, message in enumerate(self._read(block)):
                if message.channel_id in chosen and at_ns in (None, message.log_time):
                    heapq.heappush(waiting, (message.log_time, block.offset, position, message))
        for time_ns, *_, message in sorted(waiting, key=lambda entry: entry[:3]):
            yield chosen[message.channel_id], time_ns, message.data

    def _read(self, block: _Block) -> list[Any]:
        from mcap.data_stream import ReadDataStream
        from mcap.opcode import Opcode
        from mcap.records import Chunk, Message
        from mcap.stream_reader import breakup_chunk

        self._stream.seek(block.offset)
        stream = ReadDataStream(self._stream)
        opcode, length = stream.read1(), stream.read8()
        if opcode != Opcode.CHUNK:
            return [Message.read(stream, length)]
        records = breakup_chunk(Chunk.read(stream), validate_crc=True)
        return [record for record in records if isinstance(record, Message)]


class SqliteFile:
    """An sqlite3 file (.db3), with its write-ahead log if the recording runs or did not end properly."""

    def __init__(self, path: Path) -> None:
        self._database, self.damage = _open_database(path)
        try:
            self._connections = self._read_topics()
            times = self._rows("SELECT min(timestamp) FROM messages WHERE typeof(timestamp) = 'integer'")
            self.begin_ns = next(times)[0] or 0
        except BaseException:
            self.close()
            raise
        self.connections = list(self._connections.values())

    def close(self) -> None:
        self._database.close()

    def _read_topics(self) -> dict[int, Connection]:
        counts = dict(self._rows("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        columns = {row[1] for row in self._rows("PRAGMA table_info(topics)")}  # more with each version of rosbag2
        wanted = ("id", "name", "type", "serialization_format", "offered_qos_profiles", "type_description_hash")
        selected = ", ".join(column if column in columns else "''" for column in wanted)
        definitions = {}
        if list(self._rows("PRAGMA table_info(message_definitions)")):
            rows = self._rows("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
            definitions = {kind: (form, str(text)) for kind, form, text in rows if form in DEFINITION_FORMATS}
        return {
            number: Connection(  # in a damaged file, a column may hold a value of any type
                str(topic),
                _type_name(str(kind), str(serialization)),
                counts.get(number, 0),
                definitions.get(kind, ("", "")),
                str(qos or ""),
                str(digest or ""),
            )
            for number, topic, kind, serialization, qos, digest in self._rows(f"SELECT {selected} FROM topics")
        }

    def _rows(self, query: str, values: Collection[Any] = ()) -> Iterator[Any]:
        return iter(self._database.execute(query, tuple(values)))

    def messages(self, topics: Collection[str] | None, at_ns: int | None) -> Iterator[Record]:
        chosen = [n for n, connection in self._connections.items() if topics is None or connection.topic in topics]
        query = f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({', '.join('?' * len(chosen))})"
        when, values = ("", []) if at_ns is None else (" AND timestamp = ?", [at_ns])
        for number, time_ns, data in self._rows(f"{query}{when} ORDER BY timestamp, id", [*chosen, *values]):
            if not (isinstance(time_ns, int) and isinstance(data, bytes)):
                raise ValueError(f"expected a time and bytes, got {time_ns!r} and {type(data).__name__}")
            yield self._connections[number], time_ns, data


def _open_database(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open a database to read it; return it and its `damage`. An immutable one is read without its log."""
    uri, log, damage = path.absolute().as_uri(), Path(f"{path}-wal"), ""
    if log.is_file() and log.stat().st_size:
        database = sqlite3.connect(f"{uri}?mode=ro", uri=True)
        try:
            database.execute("SELECT name FROM sqlite_master").fetchall()
            return database, f"the recording runs or did not end properly; {log.name} is read too"
        except sqlite3.OperationalError as error:  # in a read-only folder
            database.close()
            damage = f"the recording runs or did not end properly; {log.name} cannot be read: {error}"
    return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True), damage


def _type_name(name: str, serialization: str) -> str:
    """Expand sensor_msgs/Image, which some writers use, to sensor_msgs/msg/Image; append a foreign serialization."""
    if serialization != CDR:
        return f"{name} ({serialization})"
    package, _, kind = name.partition("/")
    return f"{package}/msg/{kind}" if kind and "/" not in kind else name
