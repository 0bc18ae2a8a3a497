"""Pickles by other hands: NumPy's scalars and arrays, names of DistributedDataParallel, and code."""

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.model.pickled_tensors import read_pickled_tensors

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5])}

HAS_STAND_INS = hasattr(torch.serialization, "safe_globals")
needs_stand_ins = pytest.mark.skipif(not HAS_STAND_INS, reason="PyTorch before 2.5 refuses NumPy's scalars")


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@needs_stand_ins
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("scalar", [np.float64(76.47), np.float32(0.5), np.int64(300), np.bool_(True)])
def test_numpy_scalars_beside_the_tensors_do_not_matter(tmp_path: Path, scalar: Any, zipped: bool) -> None:
    content = {"epoch": scalar, "best": {"accuracy": [scalar]}, "state_dict": TENSORS}
    torch.save(content, tmp_path / "a.tar", _use_new_zipfile_serialization=zipped)
    assert same(read_pickled_tensors(tmp_path / "a.tar"), TENSORS)


def test_a_pytorch_without_stand_ins_reads_tensors_and_refuses_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch 2.3 and 2.4, of JetPack 6.0."""
    monkeypatch.delattr(torch.serialization, "safe_globals", raising=False)
    torch.save({"state_dict": TENSORS}, tmp_path / "a.pth")
    assert same(read_pickled_tensors(tmp_path / "a.pth"), TENSORS)
    torch.save({"epoch": np.float64(1), "state_dict": TENSORS}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="scalar"):
        read_pickled_tensors(tmp_path / "a.pth")


@needs_stand_ins
@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_numpy_scalars_of_any_version(tmp_path: Path, module: bytes) -> None:
    """NumPy 2 has renamed the module."""
    path, here = tmp_path / "a.tar", np.float64.__reduce__(np.float64(1))[0].__module__.encode()
    torch.save({"epoch": np.float64(76.47), "state_dict": TENSORS}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert content.count(here + b"\nscalar") == 1
    path.write_bytes(content.replace(here + b"\n", module + b"\n"))
    assert same(read_pickled_tensors(path), TENSORS)


def test_the_prefix_of_distributed_data_parallel_is_removed(tmp_path: Path) -> None:
    torch.save({"model": {f"module.{name}": tensor for name, tensor in TENSORS.items()}}, tmp_path / "a.pth")
    assert same(read_pickled_tensors(tmp_path / "a.pth"), TENSORS)
    mixed = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save(mixed, tmp_path / "b.pth")
    assert same(read_pickled_tensors(tmp_path / "b.pth"), mixed)


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "<i8"])
def test_pickled_numpy_arrays(tmp_path: Path, dtype: str, protocol: int) -> None:
    arrays = {
        "weight": np.arange(24, dtype=dtype).reshape(2, 3, 4),
        "count": np.array(7, dtype),
        "big_endian": np.ones(3, ">f4"),
        "fortran": np.asfortranarray(np.ones((2, 3), np.float32)),
        "words": np.array(["x"]),
    }
    content = {"model": arrays, "__author__": "torchvision", "matching_heuristics": True}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content, protocol))
    expected = {name: torch.from_numpy(arrays[name]) for name in ("weight", "count")}
    assert same(read_pickled_tensors(tmp_path / "R-50.pkl"), expected)


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["a.pkl", "a.tar"])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, name: str) -> None:
    path, trace = tmp_path / name, tmp_path / "trace"
    content = {"model": {"weight": np.ones(3, np.float32), "more": Payload(trace)}, "accuracy": np.float64(1)}
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    foreign = "numpy" if path.suffix == ".tar" and not HAS_STAND_INS else "(_?io|builtins)"
    with pytest.raises(ModelError, match=rf"could run code \(it requires {foreign}\."):
        read_pickled_tensors(path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"\x80", b"not a pickle", pickle.dumps({"model": 3}), pickle.dumps([1])])
def test_other_pickles_are_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ModelError, match="expected a"):
        read_pickled_tensors(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "content",
    [
        pickle.EMPTY_DICT + pickle.LONG_BINPUT + b"\0\0\0\4",
        pickle.BINBYTES8 + (2**28).to_bytes(8, "little"),
        pickle.BYTEARRAY8 + (2**28).to_bytes(8, "little"),
        pickle.FRAME + (2**28).to_bytes(8, "little"),
    ],
    ids=["memo", "bytes", "bytearray", "frame"],
)
def test_a_number_in_a_pickle_reserves_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.PROTO + b"\x05" + content + pickle.STOP)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            read_pickled_tensors(tmp_path / "a.pkl")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_array_whose_data_are_cut_is_an_error(tmp_path: Path) -> None:
    content = pickle.dumps({"weight": np.arange(4, dtype="<f4")}).replace(b"\x04\x85", b"\x05\x85")
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ModelError, match="corrupt"):
        read_pickled_tensors(tmp_path / "a.pkl")
