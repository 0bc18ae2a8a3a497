import json
import math
from pathlib import Path

from bisenetformer_ros.training.observer import LogFile


def test_every_line_is_there_at_once_and_is_json(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with LogFile(path) as log:
        log.on_iteration(1, {"loss": 2.5, "step_s": 0.125})
        assert json.loads(path.read_text(encoding="utf-8")) == {"iteration": 1, "loss": 2.5, "step_s": 0.125}
        log.on_validation(1, {"miou": 0.5, "pq_things": math.nan}, [])
    with LogFile(path) as log:
        log.on_iteration(2, {"loss": 2.00000001, "gradient_norm": math.inf})
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[1:] == [
        {"iteration": 1, "validation": {"miou": 0.5, "pq_things": None}},
        {"iteration": 2, "loss": 2.0, "gradient_norm": None},
    ]
