"""What is fuzzed: the seeds and the reader of each kind of input."""

import json
import os
import pickle
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from bisenetformer_ros.errors import BiSeNetFormerError

FORMS = (
    "jpeg",
    "png",
    "bayer_rggb8; png compressed ",
    "rgb8; jpeg compressed bgr8",
    "mono16; png",
    "16UC1; png",
    "h264",
)
_NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
_rejected = suppress(BiSeNetFormerError)  # the right answer to bad input
_SCRATCH = tempfile.TemporaryDirectory(prefix="fuzz_")


@dataclass(frozen=True)
class Target:
    """seeds: valid inputs. run: reads an input, and raises only what is a crash."""

    seeds: Callable[[], list[bytes]]
    run: Callable[[bytes], None]


def _file(name: str, data: bytes) -> Path:
    path = Path(_SCRATCH.name) / name
    path.write_bytes(data)
    return path


def _pictures() -> list[bytes]:
    """A file of each format and pixel type."""
    from PIL import Image

    def encoded(pixels: np.ndarray, kind: str, mode: str | None = None, **options: object) -> bytes:
        file = BytesIO()
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(file, kind, **options)
        return file.getvalue()

    grey = _NOISE[..., 0]
    exif = Image.Exif()
    exif[0x927C] = encoded(_NOISE[:8, :8], "jpeg")
    return [
        encoded(_NOISE, "jpeg"),
        encoded(_NOISE, "jpeg", progressive=True, exif=exif.tobytes()),
        encoded(grey, "jpeg", restart_marker_blocks=1),
        encoded(_NOISE, "png"),
        encoded(grey, "png", "P"),
        encoded(grey, "png", "1"),
        encoded(grey, "png", "LA"),
        encoded(grey.astype(np.uint16) * 257, "png"),
        encoded(_NOISE, "webp", lossless=True),
        encoded(_NOISE, "webp"),
    ]


def _compressed(data: bytes) -> None:
    from bisenetformer_ros.images.compressed import decode_compressed, decode_compressed_values
    from bisenetformer_ros.images.raw import DecodingReport

    form = FORMS[data[0] % len(FORMS)] if data else ""
    message = SimpleNamespace(format=form, data=data[1:])
    with _rejected:
        rgb = decode_compressed(message, 12, DecodingReport())
        assert rgb.dtype == np.uint8
        assert rgb.ndim == 3
        assert rgb.shape[2] == 3
    with _rejected:
        assert decode_compressed_values(message).ndim == 2


def _raw(data: bytes) -> None:
    from bisenetformer_ros.images.raw import ENCODINGS, VALUE_ENCODINGS, DecodingReport, decode_image, decode_values

    encodings = (*ENCODINGS, *VALUE_ENCODINGS, "32FC1", "")
    head = data[:8].ljust(8, b"\0")
    encoding = encodings[head[0] % len(encodings)]
    height, width = head[1] % 24, head[2] % 24
    step = int.from_bytes(head[3:5], "little") % 256
    length = {0: len(data), 1: height * step, 2: height * step * 3 // 2, 3: height * step * 3}[head[5] % 4]
    pixels = (data[8:] * (1 + length // max(1, len(data) - 8)))[:length]
    if head[6] % 8 == 0:
        height = int.from_bytes(data[:4].ljust(4, b"\0"), "little")
    fields = {"height": height, "width": width, "step": step, "is_bigendian": head[7] % 2}
    message = SimpleNamespace(encoding=encoding, data=pixels, **fields)
    with _rejected:
        assert decode_image(message, 10, DecodingReport()).shape == (height, width, 3)
    with _rejected:
        assert decode_values(message).shape == (height, width)


def _raw_seeds() -> list[bytes]:
    from bisenetformer_ros.images.raw import ENCODINGS

    return [
        bytes([number, 6, 8, 64, 0, kind, 1, 0]) + bytes(range(64))
        for number in range(len(ENCODINGS))
        for kind in (1, 2, 3)
    ]


def _label_png(data: bytes) -> None:
    from bisenetformer_ros.images.coco_panoptic import read_ids
    from bisenetformer_ros.images.files import read_label_image, read_rgb

    path = _file("label.png", data)
    for read in (read_label_image, read_ids, read_rgb):
        with _rejected:
            read(path)


def _panoptic_seeds() -> list[bytes]:
    segments = [
        {"id": 1, "category_id": 7, "area": 4, "iscrowd": 0, "bbox": [0, 0, 2, 2]},
        {"id": 258, "category_id": 90},
    ]
    categories = [{"id": 7, "name": "road", "isthing": 0, "color": [1, 2, 3]}, {"id": 90, "name": "car", "isthing": 1}]
    images = [{"id": 11, "file_name": "a.png", "width": 16, "height": 12}]
    annotations = [{"image_id": 11, "file_name": "a.png", "segments_info": segments}]
    return [json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()]


def _panoptic_json(data: bytes) -> None:
    from bisenetformer_ros.data.panoptic_labels import in_folder, open_coco_panoptic
    from bisenetformer_ros.evaluation.panoptic_files import open_panoptic_files

    folder = Path(_SCRATCH.name)
    path = _file("panoptic.json", data)
    if not (folder / "a.png").exists():
        _file("a.png", _pictures()[3])
    with _rejected:
        dataset = open_coco_panoptic(path, folder, in_folder(folder), "fuzz")
        for index in range(len(dataset)):
            with _rejected:
                dataset[index]
    for truth, prediction in ((path, path), (_file("good.json", _panoptic_seeds()[0]), path)):
        with _rejected:
            open_panoptic_files(truth, prediction, folder, folder)


def _recipe_seeds() -> list[bytes]:
    from bisenetformer_ros.resources import config_file

    return [config_file("train", name, ".yaml").read_bytes() for name in ("camvid-nano", "cityscapes-panoptic-stdc2")]


def _recipe(data: bytes) -> None:
    from bisenetformer_ros.training.config import TrainingConfig

    path = _file("recipe.yaml", data)
    with _rejected:
        TrainingConfig.load(str(path))


def _data_seeds() -> list[bytes]:
    png = {"splits": ["train"], "images": "i/{name}.png", "label_images": "l/{name}.png", "labels": "camvid11"}
    listed = {
        **png,
        "labels": [{"name": "road", "color": [1, 2, 3], "is_thing": False}],
        "splits": {"train": "train.txt"},
    }
    coco = {"splits": ["train"], "images": ".", "panoptic_images": ".", "panoptic_json": "good.json"}
    return [
        json.dumps(description).encode()
        for description in (png, listed, coco, {**png, "values": {7: "road"}}, {**png, "values": {"#804080": "road"}})
    ]


def _data_yaml(data: bytes) -> None:
    from bisenetformer_ros.data.custom import open_custom
    from bisenetformer_ros.labels import LabelMap

    _file("good.json", _panoptic_seeds()[0])
    path = _file("data.yaml", data)
    with _rejected:
        open_custom(path, None, ["train"])
    with _rejected:
        LabelMap.load(path)


def _weights() -> tuple[object, object]:
    from bisenetformer_ros.labels import LabelMap
    from bisenetformer_ros.metadata import ModelMetadata
    from bisenetformer_ros.model import build_model

    sizes = {"channels": 8, "dim": 16, "num_heads": 2, "feedforward_dim": 16, "num_queries": 6, "num_blocks": 2}
    architecture = {"name": "bisenetformer-nano", "num_classes": 11, **sizes}
    return build_model(**architecture), ModelMetadata("fuzz", architecture, LabelMap.load("camvid11"))


@cache
def _whole_safetensors() -> tuple[bytes, int]:
    """The JSON of the header, and the number of bytes of the tensors."""
    from bisenetformer_ros.model.checkpoint import save_model

    path = Path(_SCRATCH.name) / "seed.safetensors"
    save_model(path, *_weights())
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], len(data) - end


def _safetensors(data: bytes) -> None:
    """Read `data` as a file, and as the header of one whose tensors are zeros."""
    from bisenetformer_ros.model.checkpoint import load_checkpoint

    path = _file("a.safetensors", data)
    with _rejected:
        load_checkpoint(path)
    path = _file("a.safetensors", len(data).to_bytes(8, "little") + data)
    os.truncate(path, 8 + len(data) + _whole_safetensors()[1])
    with _rejected:
        load_checkpoint(path)


def _pth_seeds() -> list[bytes]:
    import torch

    seeds = []
    for content in ({"model": {"a.weight": torch.zeros(2, 2)}}, {"state_dict": {"b": torch.ones(1)}}, [1, "two"]):
        for zipped in (True, False):
            file = BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            seeds.append(file.getvalue())
    return seeds


def _pth(data: bytes) -> None:
    from bisenetformer_ros.model.checkpoint import load_checkpoint

    with _rejected:
        load_checkpoint(_file("a.pth", data))


def _pkl_seeds() -> list[bytes]:
    arrays = {"a.weight": np.zeros((2, 2), np.float32), "a.count": np.int64(3), "b": np.ones(2, ">f8")}
    return [pickle.dumps({"model": arrays}, protocol) for protocol in (3, 4, 5)]


def _pkl(data: bytes) -> None:
    from bisenetformer_ros.model.pickled_tensors import read_pickled_tensors

    with _rejected:
        read_pickled_tensors(_file("a.pkl", data))


def _bag(storage: str) -> bytes:
    from bisenetformer_ros.bags.message_types import message_types
    from bisenetformer_ros.bags.writer import BagWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bag"
        with BagWriter(path, storage) as writer:
            for topic, kind, message in _messages():
                writer.add_topic(topic, kind)
                writer.write(topic, 1, message)
        assert message_types()
        (file,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
        return file.read_bytes()


def _messages() -> list[tuple[str, str, object]]:
    from bisenetformer_ros.bags.images import COMPRESSED, IMAGE
    from bisenetformer_ros.bags.message_types import message_types

    types = message_types().types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, 2), "camera")
    pixels = np.arange(4 * 4 * 3, dtype=np.uint8)
    image = types[IMAGE](header, 4, 4, "rgb8", 0, 12, pixels)
    compressed = types[COMPRESSED](header, "png", np.frombuffer(_pictures()[3], np.uint8))
    return [("/image", IMAGE, image), ("/image/compressed", COMPRESSED, compressed)]


def _read_bag(path: Path) -> None:
    from bisenetformer_ros.bags.images import IMAGE_DECODERS, bag_images
    from bisenetformer_ros.bags.reader import Bag

    with _rejected, Bag(path) as bag:
        assert bag.topics is not None
        topics = [topic.name for topic in bag.topics if topic.type in IMAGE_DECODERS]
        for number, image in enumerate(bag_images(path, bag.messages(topics))):
            with _rejected:
                assert image.stamp_ns is not None
                image.read()
            if number > 100:
                break


def _mcap(data: bytes) -> None:
    _read_bag(_file("a.mcap", data))


def _sqlite3(data: bytes) -> None:
    _read_bag(_file("a.db3", data))


def _cdr_seeds() -> list[bytes]:
    from bisenetformer_ros.bags.message_types import message_types

    serialized = [bytes(message_types().serialize_cdr(message, kind)) for _, kind, message in _messages()]
    return [bytes([number]) + data for number, data in enumerate(serialized)]


def _cdr(data: bytes) -> None:
    from bisenetformer_ros.bags.images import COMPRESSED, IMAGE, IMAGE_DECODERS, LABEL_DECODERS, BagImage
    from bisenetformer_ros.bags.reader import BagMessage

    kind = (IMAGE, COMPRESSED)[data[0] % 2] if data else IMAGE
    message = BagMessage(SimpleNamespace(topic="/image", msgtype=kind), 0, data[1:])
    for decoders in (IMAGE_DECODERS, LABEL_DECODERS):
        image = BagImage("fuzz", message, decoders)
        with _rejected:
            assert image.stamp_ns is not None
        with _rejected:
            image.read()


TARGETS = {
    "compressed": Target(
        lambda: [bytes([number % len(FORMS)]) + file for number, file in enumerate(_pictures())], _compressed
    ),
    "raw": Target(_raw_seeds, _raw),
    "label_png": Target(_pictures, _label_png),
    "panoptic_json": Target(_panoptic_seeds, _panoptic_json),
    "recipe_yaml": Target(_recipe_seeds, _recipe),
    "data_yaml": Target(_data_seeds, _data_yaml),
    "safetensors": Target(lambda: [_whole_safetensors()[0]], _safetensors),
    "pth": Target(_pth_seeds, _pth),
    "pkl": Target(_pkl_seeds, _pkl),
    "mcap": Target(lambda: [_bag("mcap")], _mcap),
    "sqlite3": Target(lambda: [_bag("sqlite3")], _sqlite3),
    "cdr": Target(_cdr_seeds, _cdr),
}
