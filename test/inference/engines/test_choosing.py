"""Which engine is chosen for a frame size, and what is kept of that. The engines' speeds are known."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from known_engine import Clock, KnownEngine

from bisenetformer_ros.inference.engines import kept_measurements
from bisenetformer_ros.inference.engines.choosing import MAX_SIZES, FastestChooser
from bisenetformer_ros.inference.engines.kept_measurements import FILE_NAME, KeptMeasurements
from bisenetformer_ros.inference.engines.measuring import Candidate
from bisenetformer_ros.inference.engines.switching import SwitchingEngine, explain_choice
from bisenetformer_ros.inference.graph.cache import cache_folder

FRAME = np.random.default_rng(0).integers(0, 255, (20, 50, 3), np.uint8)
GREY = np.full_like(FRAME, 128)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, which does not exist yet. The machine is idle."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept_measurements, "oversubscription", lambda: "")
    return cache_folder()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "street.safetensors"
    path.write_bytes(b"weights")
    return path


class Run:
    """A process that opens the model: PyTorch in two precisions, and OpenVINO with a file for one size."""

    def __init__(self, model: Path, ms: dict[str, float], wrong: int = 0, with_file: bool = False) -> None:
        clock = Clock()
        self.engines = {
            key: KnownEngine(*key.split(), (ms[key] / 1e3,), clock.advance, wrong * (key == "torch bf16"))
            for key in ("torch fp32", "torch bf16", "openvino bf16")
        }
        self.opened: list[str] = []

        def files(frame_size: tuple[int, int]) -> tuple[list[Candidate], list[str]]:
            if with_file and frame_size == FRAME.shape[:2]:
                return [Candidate("openvino bf16 street.onnx 7", self._opener("openvino bf16"))], []
            return [], ["openvino has no file"]

        openers = {key: self._opener(key) for key in ("torch fp32", "torch bf16")}
        self.chooser = FastestChooser(KeptMeasurements(model, "semantic", "cpu"), openers, files, clock)
        self.engine = SwitchingEngine(self.chooser.usual, self.chooser.choose, self.chooser.measures)

    def segment(self, frame: np.ndarray = FRAME) -> str:
        """Segment a frame; return the engine that serves frames like it now."""
        self.engine.segment([frame], 0.5, 0.5)
        return f"{self.engine.name} {self.engine.precision}"

    @property
    def calls(self) -> list[int]:
        return [engine.calls for engine in self.engines.values()]

    def _opener(self, key: str) -> Callable[[], KnownEngine]:
        def open_engine() -> KnownEngine:
            self.opened.append(key)
            return self.engines[key]

        return open_engine


MS = {"torch fp32": 10.0, "torch bf16": 5.0, "openvino bf16": 3.0}


def test_the_first_frame_of_a_size_decides_and_is_segmented_by_it(model: Path) -> None:
    run = Run(model, MS)
    assert run.engine.tunes_per_shape
    assert run.segment() == "torch bf16"
    assert run.calls == [5, 5, 0]  # the frame's result is among them
    assert run.segment() == "torch bf16"
    assert run.calls == [5, 6, 0]
    assert explain_choice(run.engine) == (
        "torch on cpu, bf16; measured here: torch fp32 10.0 ms, torch bf16 5.0 ms; openvino has no file"
    )


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [({}, "openvino bf16"), ({"openvino bf16": 6.0}, "torch bf16"), ({"torch fp32": 2.0}, "torch fp32")],
)
def test_a_file_serves_its_size_if_it_is_the_fastest(model: Path, changes: dict[str, float], chosen: str) -> None:
    run = Run(model, MS | changes, with_file=True)
    assert run.segment() == chosen
    assert run.segment(np.concatenate([FRAME, FRAME])) == min(run.chooser._engines, key=(MS | changes).get)


def test_bf16_that_disagrees_does_not_serve(model: Path) -> None:
    run = Run(model, MS, wrong=20)
    assert run.segment() == "torch fp32"
    assert "torch bf16 5.0 ms, but 98.00 % of its labels agree" in explain_choice(run.engine)


def test_a_kept_choice_is_not_measured_again(model: Path) -> None:
    Run(model, MS, with_file=True).segment()
    again = Run(model, MS, with_file=True)
    assert not again.engine.tunes_per_shape
    assert again.segment() == "openvino bf16"
    assert again.calls == [0, 0, 1]
    assert "measured here: torch fp32 10.0 ms, torch bf16 5.0 ms, openvino bf16 3.0 ms" in explain_choice(again.engine)


def test_the_next_start_opens_what_was_the_fastest_and_nothing_else(model: Path) -> None:
    first = Run(model, MS)
    first.segment()
    assert first.opened == ["torch fp32", "torch bf16"]
    again = Run(model, MS)
    assert again.segment() == "torch bf16"
    assert (again.opened, again.calls) == (["torch bf16"], [0, 1, 0])


def other_weights(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.write_bytes(b"other weights")


def other_version(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "9.9")


def other_processor(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_measurements, "describe_machine", lambda: {"processor": "Abacus, 2 cores"})


def damaged_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_folder() / FILE_NAME).write_bytes(b"{")


def file_of_another_kind(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cache_folder() / FILE_NAME
    path.write_bytes(path.read_bytes().replace(b'"ms"', b'"s"'))


@pytest.mark.parametrize("change", [other_weights, other_version, other_processor, damaged_file, file_of_another_kind])
def test_another_model_version_or_machine_is_measured_again(
    model: Path, change: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    Run(model, MS).segment()
    change(model, monkeypatch)
    again = Run(model, MS)
    assert again.segment() == "torch bf16"
    assert again.calls == [5, 5, 0]


def test_times_of_a_machine_that_is_too_busy_are_not_kept(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_measurements, "oversubscription", lambda: "the load average is 8.0 on 2 cores")
    for _ in range(2):
        run = Run(model, MS)
        assert run.segment() == "torch bf16"
        assert run.calls == [5, 5, 0]


def test_a_file_that_appears_is_measured(model: Path) -> None:
    Run(model, MS).segment()
    again = Run(model, MS, with_file=True)
    assert again.segment() == "openvino bf16"
    assert again.calls == [5, 5, 5]


@pytest.fixture
def read_only_cache(cache: Path) -> None:
    cache.mkdir()
    (cache / f"{FILE_NAME}.{os.getpid()}.unfinished").mkdir()  # even root cannot write the file


@pytest.mark.usefixtures("read_only_cache")
def test_a_cache_that_cannot_be_written_means_measuring_again(model: Path, cache: Path) -> None:
    for _ in range(2):
        run = Run(model, MS)
        assert run.segment() == "torch bf16"
        assert run.calls == [5, 5, 0]
    assert not (cache / FILE_NAME).exists()


@pytest.mark.parametrize("folder", [os.devnull, "/proc/nobody"])
def test_a_cache_that_cannot_exist_means_measuring_again(
    model: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    for _ in range(2):
        run = Run(model, MS)
        assert run.segment() == "torch bf16"
        assert run.calls == [5, 5, 0]


def test_a_grey_frame_decides_nothing(model: Path) -> None:
    run = Run(model, MS)
    assert run.segment(GREY) == "torch fp32"
    assert run.calls == [1, 0, 0]
    assert run.segment() == "torch bf16"


def test_a_frame_too_slow_for_the_budget_leaves_the_others_to_the_next_frame(model: Path) -> None:
    run = Run(model, MS | {"torch fp32": 4000.0, "torch bf16": 2500.0})
    assert run.segment() == "torch fp32"
    assert run.calls == [1, 0, 0]
    assert run.segment() == "torch bf16"
    assert run.calls == [2, 1, 0]
    assert Run(model, MS).segment() == "torch bf16"


def test_further_sizes_are_served_as_the_latest_one(model: Path) -> None:
    run = Run(model, MS)
    for number in range(MAX_SIZES + 2):
        assert run.segment(FRAME[number:]) == "torch bf16"
    assert run.calls == [5 * MAX_SIZES, 5 * MAX_SIZES + 2, 0]
    assert not run.engine.tunes_per_shape
