"""Topics of a bag, and the text that error messages list them in, also for a damaged bag."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

_DAMAGE = (sqlite3.Error, MemoryError)
"""What SQLite raises for a damaged file; it may believe a size in it and find no memory."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        name: With leading slash.
        type: Full message type, such as `sensor_msgs/msg/Image`.
        count: Number of messages; None if unknown, as in a damaged bag.
    """

    name: str
    type: str
    count: int | None


def list_topics(topics: Iterable[Topic], heading: str = "The bag holds") -> str:
    """Return `heading` and one line per topic with its type and message count."""
    rows = [(topic.name, topic.type, "?" if topic.count is None else str(topic.count)) for topic in topics]
    if not rows:
        return f"{heading} no topics."
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {count:>{widths[2]}} message{'s' * (count != '1')}"
        for name, kind, count in rows
    ]
    return "\n".join([f"{heading}:", *lines])


def surviving_topics(path: Path) -> str:
    """Return a best-effort topic list of a damaged bag, for error messages.

    Args:
        path: Directory of the bag, whose metadata.yaml is read, or a storage file. An mcap file has none: it is read up
            to the damage, and only an error if nothing is there.
    """
    if path.is_dir():
        with suppress(OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            return list_topics(_topics_in_metadata(path / "metadata.yaml"), "Its metadata.yaml lists")
        return "Its metadata.yaml cannot be read."
    with suppress(*_DAMAGE):
        return list_topics(_topics_in_sqlite(path), "The readable part holds")
    return "No part of it is readable."


def _topics_in_metadata(path: Path) -> list[Topic]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
    return [
        Topic(entry["topic_metadata"]["name"], entry["topic_metadata"]["type"], int(entry["message_count"]))
        for entry in content["topics_with_message_count"]
    ]


def _topics_in_sqlite(path: Path) -> list[Topic]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        database.execute("PRAGMA writable_schema = ON")  # otherwise SQLite rejects a truncated file
        rows = database.execute("SELECT id, name, type FROM topics ORDER BY name").fetchall()
        # In a damaged file, a column may hold a value of any type.
        return [Topic(str(name), str(kind), _count(database, topic_id)) for topic_id, name, kind in rows]


def _count(database: sqlite3.Connection, topic_id: int) -> int | None:
    try:
        return int(database.execute("SELECT count(*) FROM messages WHERE topic_id = ?", (topic_id,)).fetchone()[0])
    except _DAMAGE:
        return None
