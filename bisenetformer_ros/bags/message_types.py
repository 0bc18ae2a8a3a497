"""The types of messages in bags: those of ROS as rosbags knows them, vision_msgs and this package's own."""

from functools import cache
from typing import Any

from bisenetformer_ros.resources import share_dir

_DEFINITIONS = {"bisenetformer_ros": "msg", "vision_msgs": "tools/vision_msgs_underlay/msg"}
"""Package → where its .msg files lie below `share_dir()`."""


@cache
def message_types() -> Any:
    """A rosbags Typestore; the same one in every call."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.LATEST)
    for package, directory in _DEFINITIONS.items():
        for file in sorted((share_dir() / directory).glob("*.msg")):
            definition = file.read_text(encoding="utf-8")
            store.register(get_types_from_msg(definition, f"{package}/msg/{file.stem}"))
    return store
