"""Message types in bags: those of ROS that rosbags knows, vision_msgs and this package's own."""

from functools import cache
from typing import Any

import numpy as np

from bisenetformer_ros.messages import MessageFactory
from bisenetformer_ros.resources import share_dir

_DEFINITIONS = {"bisenetformer_ros": "msg", "vision_msgs": "tools/vision_msgs_underlay/msg"}
"""Package → folder of its .msg files below `share_dir()`."""


@cache
def message_types() -> Any:
    """Return the rosbags Typestore, the same one in every call."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.LATEST)
    for package, directory in _DEFINITIONS.items():
        for file in sorted((share_dir() / directory).glob("*.msg")):
            definition = file.read_text(encoding="utf-8")
            store.register(get_types_from_msg(definition, f"{package}/msg/{file.stem}"))
    return store


def _new(name: str, /, **values: Any) -> Any:
    kind, defaults, dtypes = _fields(name)
    arrays = {field: np.asarray(values[field], dtype) for field, dtype in dtypes.items() if field in values}
    return kind(**{**defaults, **values, **arrays})


@cache
def _fields(name: str) -> tuple[Any, dict[str, Any], dict[str, str]]:
    """The class of a message, the defaults of its fields (rosbags has none), and the dtypes of its numeric arrays."""
    from rosbags.interfaces import Nodetype

    defaults: dict[str, Any] = {}
    dtypes: dict[str, str] = {}
    for field, (node, detail) in message_types().fielddefs[name][1]:
        if node == Nodetype.NAME:
            defaults[field] = _new(detail)
        elif node == Nodetype.BASE:
            defaults[field] = "" if detail[0] == "string" else np.zeros((), detail[0]).item()
        else:
            (element, (kind, *_)), length = detail
            if element == Nodetype.BASE and kind != "string":
                dtypes[field] = kind
            defaults[field] = np.zeros(length, kind) if field in dtypes else []
    if name == "geometry_msgs/msg/Quaternion":
        defaults["w"] = 1.0
    return message_types().types[name], defaults, dtypes


def _set_data(message: Any, buffer: Any) -> None:
    message.data = np.frombuffer(buffer, np.uint8)


messages = MessageFactory(_new, _set_data)
"""Builds messages that `BagWriter` takes."""
