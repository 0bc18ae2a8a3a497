"""The check of a parameter file, compared with which parameters rcl gives to a node."""

from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.ros.params_file import check_params_file

PARAMETERS = "ros__parameters: {alpha: 0.25}"


def parameters_by_rcl(path: Path, namespace: str, name: str, domain: int) -> set[str]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    try:
        node = Node(
            name,
            namespace=namespace,
            context=context,
            cli_args=["--ros-args", "--params-file", str(path)],
            use_global_arguments=False,
            automatically_declare_parameters_from_overrides=True,
            start_parameter_services=False,
        )
        return {parameter for parameter in node.get_parameters_by_prefix("") if parameter == "alpha"}
    finally:
        rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    "text",
    [
        f"/**: {{{PARAMETERS}}}",
        f"/robot/eyes: {{{PARAMETERS}}}",
        f"robot: {{eyes: {{{PARAMETERS}}}}}",
        f"/robot: {{eyes: {{{PARAMETERS}}}}}",
        f"/robot/*: {{{PARAMETERS}}}",
        f"/*/eyes: {{{PARAMETERS}}}",
        f"/**/eyes: {{{PARAMETERS}}}",
        f"eyes: {{{PARAMETERS}}}",
        f"/bisenetformer: {{{PARAMETERS}}}",
        f"/*: {{{PARAMETERS}}}",
        f"/robot/eyes2: {{{PARAMETERS}}}",
        f"/robot/**: {{{PARAMETERS}}}",
        f"other: {{{PARAMETERS}}}\n/**: {{{PARAMETERS}}}",
    ],
)
@pytest.mark.parametrize("namespace", ["/", "/robot"])
def test_warns_exactly_if_rcl_gives_the_node_nothing(text, namespace, tmp_path, domain):
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    warning = check_params_file(path, f"{namespace.rstrip('/')}/eyes")
    assert (warning == "") == bool(parameters_by_rcl(path, namespace, "eyes", domain)), warning


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"/**: {ros__parameters: {", "not valid YAML"),
        (b"/**: {ros__parameters: {task: caf\xe9}}", "expected text in UTF-8"),
        (b"task: semantic", "expected parameters as `/robot/eyes: {ros__parameters: {name: value}}`"),
        (b"", "expected parameters as"),
        (b"- task", "expected parameters as"),
    ],
)
def test_rejects_what_is_no_parameter_file(content, message, tmp_path):
    path = tmp_path / "parameters.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        check_params_file(path, "/robot/eyes")
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_rejects_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="Is a directory"):
        check_params_file(tmp_path, "/robot/eyes")
