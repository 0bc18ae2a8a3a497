import numpy as np
import pytest
import torch

from bisenetformer_ros.benchmark import ceilings
from bisenetformer_ros.benchmark.ceilings import measure_ceilings

CPU = torch.device("cpu")


@pytest.fixture
def half_a_second_per_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by half a second whenever it is read, in the place of the real one; small operands."""
    ticks = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(ceilings, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(ceilings, "MATRIX_SIZE", {"cpu": 100})
    monkeypatch.setattr(ceilings, "COPIED_BYTES", {"cpu": 4_000_000})


@pytest.mark.usefixtures("half_a_second_per_call")
def test_rates_are_work_per_time() -> None:
    measured = measure_ceilings(CPU, {"fp32", "bf16", "int8"}, repetitions=1)
    assert measured.matmul_gmacs == pytest.approx(dict.fromkeys(("bf16", "fp32", "int8"), 100**3 / 0.5e9))
    assert measured.bandwidth_gbs == pytest.approx(2 * 4e6 / 0.5e9)
