"""Declares, validates and reads SETTINGS as the parameters of a node."""

from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.parameter import Parameter

from bisenetformer_ros.commands import assignment, quoted
from bisenetformer_ros.ros.node.process import GuardedNode
from bisenetformer_ros.ros.node.settings import SETTINGS, Changes, Setting

BY_NAME = {setting.name: setting for setting in SETTINGS}


class Parameters:
    """SETTINGS as parameters of a node. Invalid changes are rejected with a reason.

    A call that sets several parameters changes all of them or none. A double may be given as a whole number, of which
    YAML and `ros2 param set` make an integer.
    """

    def __init__(
        self, node: GuardedNode, is_configured: Callable[[], bool], names: Iterable[str] = tuple(BY_NAME)
    ) -> None:
        """Declare the parameters.

        Args:
            node: Gets the parameters.
            is_configured: Returns whether the node is configured.
            names: Of the parameters that the node has.

        Raises:
            ParameterException: The node was started with an invalid value.
        """
        self._node = node
        self._is_configured = is_configured
        self._started = False
        if hasattr(node, "add_pre_set_parameters_callback"):  # Humble's rclpy has none
            node.add_pre_set_parameters_callback(lambda parameters: [*map(_as_declared, parameters)])
        node.add_on_set_parameters_callback(self._check)
        for name in names:
            _declare(node, BY_NAME[name])
        self._started = True

    def __getitem__(self, name: str) -> Any:
        """Return the current value; thread-safe."""
        return self._node.get_parameter(name).value

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        problems = [self._problem(BY_NAME[p.name], p.value) for p in parameters if p.name in BY_NAME]
        reason = "; ".join(problem for problem in problems if problem)
        return SetParametersResult(successful=not reason, reason=reason)

    def _problem(self, setting: Setting, value: Any) -> str:
        if value is None:  # an array is declared before it has a value
            return ""
        problem = setting.problem(value)
        if problem or not self._started or value == self[setting.name]:
            return problem
        changed = assignment(setting.name, value)
        if setting.changes is Changes.AT_START:
            return f"{setting.name} is read at start: restart the node with {quoted(('-p', changed))}"
        if setting.changes is Changes.UNCONFIGURED and self._is_configured():
            name = self._node.get_fully_qualified_name()
            steps: list[tuple[str, ...]] = [
                ("ros2", "lifecycle", "set", name, step) for step in ("deactivate", "cleanup", "configure", "activate")
            ]
            steps.insert(2, ("ros2", "param", "set", name, *changed.split(":=", 1)))
            return (
                f"{setting.name} is read when the node is configured: run {quoted(steps[0])} if it is active, then "
                f"{quoted(*steps[1:])}"
            )
        return ""


def _as_declared(parameter: Parameter) -> Parameter:
    """Make a double of a whole number that is set for one."""
    setting = BY_NAME.get(parameter.name)
    if parameter.type_ != Parameter.Type.INTEGER or setting is None or not isinstance(setting.default, float):
        return parameter
    return Parameter(parameter.name, value=float(parameter.value))


def _declare(node: GuardedNode, setting: Setting) -> None:
    descriptor = ParameterDescriptor(
        description=f"{setting.description} Can be set {setting.changes.value}.",
        additional_constraints=f"one of: {setting.allowed}" if setting.choices else "",
    )
    if setting.limits and isinstance(setting.default, int):
        lowest, highest = map(int, setting.limits)
        descriptor.integer_range = [IntegerRange(from_value=lowest, to_value=highest)]
    elif setting.limits:
        low, high = setting.limits
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    override = node.parameter_overrides.get(setting.name)
    if override is not None and (double := _as_declared(override)) is not override:
        node.declare_parameter(setting.name, double.value, descriptor, ignore_override=True)
        return
    if not isinstance(setting.default, tuple):
        node.declare_parameter(setting.name, setting.default, descriptor)
        return
    # rclpy takes an empty list for an array of bytes, so the type is declared first and the default set afterwards.
    kind = Parameter.Type.STRING_ARRAY
    if node.declare_parameter(setting.name, kind, descriptor).value is None:
        node.set_parameters([Parameter(setting.name, kind, list(setting.default))])
