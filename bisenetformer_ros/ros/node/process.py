"""Runs a node as a process that no failed callback ends, and that ends in time whatever hangs."""

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial, wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from bisenetformer_ros.errors import BiSeNetFormerError, EngineError
from bisenetformer_ros.ros.initialization import initialize_ros
from bisenetformer_ros.ros.params_file import check_params_file

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MISUSED = 2
EXIT_WITHIN_S = 8
"""Limit from the end of the ROS context to the end of the process."""
KILL_AFTER_S = 10
"""Grace period for middleware shutdown before SIGALRM kills the process: Fast DDS 3.2 can wait forever for a TCP
connection (LARGE_DATA) whose other end was killed, and meanwhile no other thread of Python runs."""


class GuardedNode(Node):
    """A node whose timer and subscription callbacks cannot end it, as an exception in rclpy's would.

    It warns of what users set and no node reads.

    Attributes:
        exit_code: Of the process, once the node has ended.
    """

    exit_code = 0

    @property
    def parameter_overrides(self) -> Mapping[str, Parameter]:
        """The parameters that the command line and parameter files set, by name, whether this node has them or not."""
        return self._parameter_overrides

    def warn_of_unknown_parameters(self, arguments: Sequence[str]) -> None:
        """Log what ROS ignores in silence. Call it when the node's own parameters are declared.

        Args:
            arguments: Command line.

        Raises:
            ConfigError: A parameter file has no parameters.
        """
        for option, file in pairwise(arguments):
            if option == "--params-file" and (
                problem := check_params_file(Path(file), self.get_fully_qualified_name())
            ):
                self.get_logger().warning(problem)
        known = self.get_parameters_by_prefix("")
        for name in self.parameter_overrides:
            if name in known or name.startswith("qos_overrides."):  # rclpy declares these with their topic
                continue
            nearest = get_close_matches(name, known, n=1)
            if "topic" in name:
                hint = "topics are remapped with `-r`, they are not parameters"
            elif nearest:
                hint = f"did you mean {nearest[0]}?"
            else:
                hint = f"`ros2 param list {self.get_fully_qualified_name()}` lists the known ones"
            self.get_logger().warning(f"parameter {name} is unknown and ignored: {hint}")

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set parameters, all or none. The reason of a rejection names types, of which rclpy prints the numbers."""
        result = super().set_parameters_atomically(parameter_list)
        if result.reason.startswith("Wrong parameter type"):
            types = {p.name: Parameter.Type(self.describe_parameter(p.name).type).name.lower() for p in parameter_list}
            result.reason = "; ".join(
                f"{p.name}: expected a value of type {types[p.name]}, got {p.value!r} of type {p.type_.name.lower()}"
                for p in parameter_list
                if p.type_.name.lower() != types[p.name]
            )
        return result

    def create_timer(self, timer_period_sec: float, callback: Any, *options: Any, **named_options: Any) -> Timer:
        """Create a timer whose callback is guarded."""
        return super().create_timer(timer_period_sec, self._guarded(callback), *options, **named_options)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Any, qos_profile: QoSProfile | int, **options: Any
    ) -> Subscription:
        """Create a subscription whose callback is guarded."""
        return super().create_subscription(msg_type, topic, self._guarded(callback), qos_profile, **options)

    def fail(self, reason: str) -> None:
        """Log an error from which only a new process recovers, and end this one with exit code 1. Thread-safe."""
        if self.context.ok():  # otherwise the node is ending anyway
            self.exit_code = 1
            self.get_logger().error(reason)
            self.context.try_shutdown()

    def close(self) -> None:
        """Release everything, in any state; called before the node is destroyed.

        Raises:
            EngineError: A thread hangs.
        """

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Log what a callback raises, with the traceback and once per place, and carry on."""
        reported = set()

        @wraps(callback)
        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                place = "".join(traceback.format_tb(error.__traceback__))
                if place not in reported and self.context.ok():  # otherwise the shutdown interrupted the callback
                    reported.add(place)
                    self.get_logger().error(f"a callback failed, which is logged once:\n{traceback.format_exc()}")

        return call


def run_node(make_node: Callable[[], GuardedNode], program: str, argv: Sequence[str] | None) -> int:
    """Create a node and spin it until the process is interrupted or the node fails.

    Args:
        make_node: Creates the node.
        program: Name of the program, for messages.
        argv: Arguments after the program's name, with `--ros-args`; sys.argv if None.

    Returns:
        Exit code: 0; 1 after `GuardedNode.fail`; or 2 for invalid parameters, ROS arguments or variables of the
        environment.
    """
    has_ros = threading.Event()
    handlers = {number: signal.signal(number, partial(_on_signal, has_ros)) for number in SIGNALS}
    node, ended, code = None, threading.Event(), 0
    try:
        initialize_ros(None if argv is None else [program, *argv])
        executor = SingleThreadedExecutor()  # in a context that is shut down, rclpy would print a traceback
        has_ros.set()
        node = make_node()
        node.warn_of_unknown_parameters(sys.argv if argv is None else argv)
        threading.Thread(target=_exit_in_time, args=(node, ended), name="exit in time", daemon=True).start()
        rclpy.spin(node, executor)
    except Exception as error:
        is_shut_down = has_ros.is_set() and not rclpy.ok()  # for instance by a signal, at any point above
        if isinstance(error, (BiSeNetFormerError, ParameterException)) and not is_shut_down:
            print(f"{program}: {error}", file=sys.stderr)
            code = MISUSED
        elif not is_shut_down:
            raise
    finally:
        if code != MISUSED:
            for number in SIGNALS:  # a function would be replaced by the default action before the process ends
                signal.signal(number, signal.SIG_IGN)
        signal.alarm(KILL_AFTER_S)
        if node is not None:
            _close(node, program)
        rclpy.try_shutdown(uninstall_handlers=code == MISUSED)  # uninstalling ends SIG_IGN for a moment
        signal.alarm(0)
        ended.set()
    if code == MISUSED:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return code
    atexit.register(signal.alarm, KILL_AFTER_S)  # the middleware closes when its objects are collected
    return node.exit_code if node is not None else 0


def _on_signal(has_ros: threading.Event, *_: object) -> None:
    """Exit if nothing has to be closed yet; else do nothing, as rclpy's handler, which calls this, shuts ROS down."""
    if not has_ros.is_set():
        os._exit(0)


def _close(node: GuardedNode, program: str) -> None:
    """Close and destroy the node; if a thread hangs, exit, as Python cannot finalize around it."""
    hangs = False
    try:
        node.close()
    except EngineError as error:
        hangs = True
        print(f"{program}: {error}", file=sys.stderr, flush=True)
    node.destroy_node()
    if hangs:
        rclpy.try_shutdown(uninstall_handlers=False)
        os._exit(node.exit_code)


def _exit_in_time(node: GuardedNode, ended: threading.Event) -> None:
    """Exit EXIT_WITHIN_S after the end of the node's context unless `ended` is set by then."""
    while node.context.ok():
        if ended.wait(0.1):
            return
    if not ended.wait(EXIT_WITHIN_S):
        os._exit(node.exit_code)
