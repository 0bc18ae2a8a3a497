from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from bisenetformer_ros.training.learner import DivergedError, Learner, split
from bisenetformer_ros.training.stream import Batch, TrainingStream, collate


def batch_of(short_run: ModuleType, learner: Learner, iteration: int = 0) -> Batch:
    stream = TrainingStream(learner.config, [short_run.Squares()])
    size = learner.config.batch_size
    return collate([stream[iteration * size + index] for index in range(size)])


def train(short_run: ModuleType, learner: Learner, iterations: int) -> list[dict[str, float]]:
    return [learner.step(batch_of(short_run, learner, index), index) for index in range(iterations)]


@pytest.mark.parametrize("place", ["decoder.query_feat.weight", "backbone.stem.0.conv.weight"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_non_finite_loss_names_the_images(short_run: ModuleType, place: str, precision: str) -> None:
    learner = short_run.learner(precision=precision)
    with torch.no_grad():
        learner.model.get_parameter(place).fill_(float("nan"))
    batch = batch_of(short_run, learner)
    assert len(batch.names) == 2
    with pytest.raises(DivergedError) as caught:
        learner.step(batch, 7)
    assert "nan at iteration 7" in str(caught.value)
    assert ", ".join(batch.names) in str(caught.value)


def spoil_gradient(learner: Learner) -> torch.Tensor:
    """Makes the gradient of the queries infinite; returns the queries."""
    weight = learner.model.decoder.query_feat.weight
    weight.register_hook(lambda gradient: gradient * float("inf"))
    return weight


def test_a_non_finite_gradient_is_not_applied(short_run: ModuleType) -> None:
    learner = short_run.learner()
    weight = spoil_gradient(learner)
    before = weight.detach().clone()
    with pytest.raises(DivergedError, match=r"its gradient (inf|nan) at iteration 0"):
        learner.step(batch_of(short_run, learner), 0)
    assert torch.equal(weight, before)


def test_half_precision_lowers_its_scale_until_it_gives_up(short_run: ModuleType) -> None:
    """The scale starts at 2 ** 16 and is halved with every skipped step."""
    learner = short_run.learner(precision="fp16")
    weight = spoil_gradient(learner)
    before = weight.detach().clone()
    batch = batch_of(short_run, learner)
    for step in range(17):
        assert learner.scaler.get_scale() == 2 ** (16 - step)
        learner.step(batch, step)
    assert torch.equal(weight, before)
    with pytest.raises(DivergedError, match=r"its gradient (inf|nan) at iteration 17"):
        learner.step(batch, 17)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_almost_the_same(short_run: ModuleType, precision: str) -> None:
    """The first loss of the same weights on the same images; and the weights stay in single precision."""
    single, half = (short_run.learner(precision=name) for name in ("fp32", precision))
    records = [train(short_run, learner, 1)[0] for learner in (single, half)]
    assert records[1]["loss"] == pytest.approx(records[0]["loss"], rel=0.05)
    assert records[1]["loss"] != records[0]["loss"]
    assert {parameter.dtype for parameter in half.network.parameters()} == {torch.float32}


def test_gradients_are_clipped_all_together(short_run: ModuleType) -> None:
    learner = short_run.learner(clip_norm=0.5)
    record = train(short_run, learner, 1)[0]
    norm = torch.stack([p.grad.norm() for p in learner.network.parameters()]).norm().item()
    assert norm == pytest.approx(0.5, rel=1e-3)
    assert record["gradient_norm"] > 1


def test_the_rates_follow_the_schedule(short_run: ModuleType) -> None:
    """Half of a warm-up of two iterations; a tenth for the backbone."""
    learner = short_run.learner(iterations=100, learning_rate=1e-3)
    record = learner.step(batch_of(short_run, learner), 0)
    assert record["learning_rate"] == pytest.approx(5e-4)
    assert {round(group["lr"], 9) for group in learner.optimizer.param_groups} == {5e-4, 5e-5}


def test_averaged_weights_are_the_final_ones(short_run: ModuleType) -> None:
    averaged, plain = short_run.learner(ema_decay=0.5), short_run.learner(ema_decay=0.0, auxiliary_weight=0.0)
    train(short_run, averaged, 2)
    assert averaged.final_model is averaged.average.model
    assert averaged.average.num_updates == 2
    assert not torch.equal(averaged.final_model.decoder.query_feat.weight, averaged.model.decoder.query_feat.weight)
    assert plain.final_model is plain.model


def test_the_terms_add_up(short_run: ModuleType) -> None:
    def terms(**changes: Any) -> set[str]:
        record = train(short_run, short_run.learner(**changes), 1)[0]
        names = record.keys() - {"loss", "gradient_norm", "learning_rate"}
        assert record["loss"] == pytest.approx(sum(record[name] for name in names))
        return set(names)

    assert terms(auxiliary_weight=1.0) == {"class", "bce", "dice", "auxiliary"}
    assert terms(auxiliary_weight=0.0) == {"class", "bce", "dice"}


def freeze_batch_norms(learner: Learner) -> None:
    for module in learner.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@pytest.mark.parametrize("parts", [2, 3])
def test_accumulated_gradients_are_those_of_the_whole_batch(short_run: ModuleType, tmp_path: Path, parts: int) -> None:
    """In double precision, with frozen batch normalizations, whose statistics are those of a part."""
    changes = {"batch_size": 6, "scale_range": (1.5, 3.0), "max_class_share": 1.0}  # some crops lack a segment
    learners = [
        short_run.trainer(tmp_path, dtype=torch.float64, accumulate=accumulate, **changes).learner
        for accumulate in (1, parts)
    ]
    batches = [split(batch_of(short_run, learners[0], index), parts) for index in range(3)]
    assert any(len({sum(part.targets.counts) for part in batch}) > 1 for batch in batches)  # weights of the parts
    before = learners[0].model.decoder.query_feat.weight.detach().clone()
    for learner in learners:
        freeze_batch_norms(learner)
    whole, accumulated = (train(short_run, learner, 3) for learner in learners)
    for one, other in zip(whole, accumulated, strict=True):
        assert other == pytest.approx(one, rel=1e-9)
    for one, other in zip(*(learner.network.parameters() for learner in learners), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert float((learners[1].model.decoder.query_feat.weight.detach() - before).abs().max()) > 1e-4


def test_batch_normalization_sees_the_parts(short_run: ModuleType) -> None:
    """What docs/training.md says of `accumulate`: the statistics, and with them the loss, are not the same."""
    whole, parts = (short_run.learner(batch_size=4, accumulate=accumulate) for accumulate in (1, 2))
    losses = [train(short_run, learner, 1)[0]["loss"] for learner in (whole, parts)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
    batches_seen = {
        name: int(tensor) for name, tensor in parts.model.named_buffers() if name.endswith("num_batches_tracked")
    }
    assert set(batches_seen.values()) == {2}


@contextmanager
def kept_for_backward() -> Iterator[list[torch.Tensor]]:
    """Collects what the forward pass keeps."""
    kept: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


@pytest.mark.parametrize("name", ["bisenetformer-nano", "bisenetformer-r50"])
def test_a_recomputed_backbone_learns_the_same_with_less_memory(short_run: ModuleType, name: str) -> None:
    """To the bit, with the running statistics and the number of batches in them."""
    architecture = {**short_run.ARCHITECTURE, "name": name}
    learners = [
        short_run.learner(architecture=architecture, checkpoint_backbone=recomputed) for recomputed in (False, True)
    ]
    records, num_bytes = [], []
    for learner in learners:
        with kept_for_backward() as kept:
            records.append(train(short_run, learner, 2))
        storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in kept}
        num_bytes.append(sum(storages.values()))
    assert records[0] == records[1]
    states = [learner.network.state_dict() for learner in learners]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert states[1]["model.backbone.stem.0.bn.num_batches_tracked"] == 2
    assert num_bytes[1] < 0.7 * num_bytes[0]


@pytest.fixture
def cuda_switches() -> Iterator[Callable[[], tuple[bool, ...]]]:
    """Reads them: TF32 in convolutions, in matrix products, and cuDNN's benchmark."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul

    def read() -> tuple[bool, ...]:
        return cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark

    before = read()
    yield read
    cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark = before


@pytest.mark.parametrize("precision", ["tf32", "fp32", "fp16"])
def test_the_switches_of_cuda_are_those_of_the_recipe(
    short_run: ModuleType, cuda_switches: Callable[[], tuple[bool, ...]], precision: str
) -> None:
    short_run.learner(precision=precision, cudnn_benchmark=True)
    assert cuda_switches() == (precision == "tf32", precision == "tf32", True)
    short_run.learner(precision=precision)
    assert not cuda_switches()[2]
