"""Parameters of a node in this process; test_segmentation_node tests them over ROS."""

from collections.abc import Iterator

import pytest
import rclpy
from printed_commands import check, commands_in
from rclpy.parameter import Parameter

from bisenetformer_ros.ros.node.parameters import Parameters
from bisenetformer_ros.ros.node.process import GuardedNode
from bisenetformer_ros.ros.node.settings import SETTINGS


@pytest.fixture(scope="module")
def node(domain) -> Iterator[GuardedNode]:
    context = rclpy.Context()
    overrides = ["cameras:=[front,rear]", "overlay_alpha:=0.25", "max_age_ms:=200"]
    arguments = [argument for override in overrides for argument in ("-p", override)]
    rclpy.init(args=["--ros-args", *arguments], context=context, domain_id=domain)
    node = GuardedNode("parameters", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(scope="module")
def configured() -> list[str]:
    """Empty while the node is unconfigured."""
    return []


@pytest.fixture(scope="module")
def parameters(node, configured) -> Parameters:
    return Parameters(node, is_configured=lambda: bool(configured))


def change(node: GuardedNode, **values) -> tuple[bool, str]:
    result = node.set_parameters_atomically([Parameter(name, value=value) for name, value in values.items()])
    return result.successful, result.reason


def test_initial_values_override_defaults(parameters):
    given = {"cameras": ["front", "rear"], "overlay_alpha": 0.25, "max_age_ms": 200.0}
    for setting in SETTINGS:
        default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        assert parameters[setting.name] == given.get(setting.name, default)
        assert type(parameters[setting.name]) is type(default)


def test_descriptors_match_the_settings(node, parameters):
    for setting in SETTINGS:
        descriptor = node.describe_parameter(setting.name)
        assert descriptor.description.startswith(setting.description)
        assert setting.changes.value in descriptor.description
        assert all(str(choice) in descriptor.additional_constraints for choice in setting.choices)
        ranges = descriptor.integer_range if isinstance(setting.default, int) else descriptor.floating_point_range
        limits = [(limit.from_value, limit.to_value) for limit in ranges]
        assert limits == ([setting.limits] if setting.limits else [])


@pytest.mark.parametrize("wrong", [1.5, -0.1, float("nan"), float("inf"), "high", 2, True])
def test_an_invalid_value_rejects_the_whole_call(node, parameters, wrong):
    accepted, reason = change(node, overlay_alpha=0.75, score_threshold=wrong)
    assert not accepted
    assert reason
    assert (parameters["overlay_alpha"], parameters["score_threshold"]) == (0.25, 0.8)


def test_a_whole_number_is_a_double(node, parameters):
    """As `ros2 param set` and `ros2 param load` send it."""
    assert change(node, score_threshold=1, overlap_threshold=0) == (True, "")
    assert [repr(parameters[name]) for name in ("score_threshold", "overlap_threshold")] == ["1.0", "0.0"]
    assert change(node, score_threshold=0.8, overlap_threshold=0.8) == (True, "")


def test_an_integer_remains_one(node, parameters):
    assert change(node, bit_depth=12) == (True, "")
    assert repr(parameters["bit_depth"]) == "12"
    assert change(node, bit_depth=8) == (False, "bit_depth: expected one of 10, 12, 14, 16, got '8'")
    for wrong in (12.0, "12"):
        assert not change(node, bit_depth=wrong)[0]
    assert change(node, bit_depth=16) == (True, "")
    assert change(node, max_missing=0) == (True, "")
    for wrong in (-1, 1001, 3.0):
        assert not change(node, max_missing=wrong)[0]
    assert change(node, max_missing=10) == (True, "")


@pytest.mark.parametrize(
    ("name", "value", "expected", "given"),
    [
        ("enable", 1, "bool", "1 of type integer"),
        ("enable", "true", "bool", "'true' of type string"),
        ("score_threshold", "high", "double", "'high' of type string"),
        ("overlay_alpha", True, "double", "True of type bool"),
        ("model", 12, "string", "12 of type integer"),
        ("cameras", "front", "string_array", "'front' of type string"),
        ("use_sim_time", 1, "bool", "1 of type integer"),
    ],
)
def test_a_value_of_another_type_is_rejected_with_both_types(node, parameters, name, value, expected, given):
    accepted, reason = change(node, max_age_ms=60.0, **{name: value})
    assert not accepted
    assert reason == f"{name}: expected a value of type {expected}, got {given}"
    assert parameters["max_age_ms"] != 60.0


def test_all_problems_of_a_call_are_reported(node, parameters):
    _, reason = change(node, reliability="perhaps", image_transport="theora")
    assert "reliability: expected one of auto, reliable, best_effort, got 'perhaps'" in reason
    assert "image_transport: expected one of raw, compressed, got 'theora'" in reason


def test_parameters_that_are_read_once_are_rejected_afterwards(node, parameters, configured):
    assert change(node, cameras=["left", "right"]) == (True, "")
    configured.append("yes")
    accepted, reason = change(node, cameras=["front"])
    assert not accepted
    assert "`ros2 lifecycle set /parameters deactivate` if it is active" in reason
    assert """ros2 param set /parameters cameras '["front"]' && ros2 lifecycle set /parameters configure""" in reason
    assert [check(command) for command in commands_in(reason)] == [None] * 5
    assert change(node, cameras=["left", "right"]) == (True, "")  # unchanged
    accepted, reason = change(node, autostart=False)
    assert not accepted
    assert "`-p autostart:=false`" in reason
    assert parameters["cameras"] == ["left", "right"]
    assert parameters["autostart"] is True
    assert change(node, enable=False, max_age_ms=50.0) == (True, "")
    assert (parameters["enable"], parameters["max_age_ms"]) == (False, 50.0)
