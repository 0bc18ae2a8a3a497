from pathlib import Path

import pytest

from bisenetformer_ros.benchmark.models import prepare_model, variant
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.model.checkpoint import load_checkpoint


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((None, None, None, None), {}),
        ((50, None, None, None), {"num_queries": 50}),
        ((None, 3, 1, None), {"num_levels": 3, "num_blocks": 3}),
        ((None, 3, None, None), {"num_levels": 3, "num_blocks": 9}),
        ((None, None, 2, None), {"num_blocks": 4}),
        ((None, None, None, 150), {"num_classes": 150}),
    ],
)
def test_blocks_are_stages_times_levels(arguments: tuple[int | None, ...], options: dict[str, int]) -> None:
    assert variant(*arguments) == options


def test_a_variant_is_built_with_random_weights(tmp_path: Path) -> None:
    model = prepare_model("bisenetformer-nano", tmp_path, {"num_queries": 7, "num_classes": 5})
    network, metadata = load_checkpoint(model.path)
    assert network.decoder.query_feat.weight.shape[0] == 7
    assert (len(metadata.labels), metadata.name) == (5, "bisenetformer-nano, num_queries 7, num_classes 5")
    assert (model.weights, model.finds_objects) == ("random", False)


def test_150_classes_are_those_of_ade20k(tmp_path: Path) -> None:
    metadata = prepare_model("bisenetformer-nano", tmp_path, {"num_classes": 150}).metadata
    assert metadata.labels.name == "ade20k150"


def test_weights_have_no_variants(tmp_path: Path, random_weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"--queries, .* got --model .*random.safetensors: choose one of bisenetf"):
        prepare_model(str(random_weights), tmp_path, {"num_queries": 7})
