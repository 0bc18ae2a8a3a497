"""Which clock a node uses, and whether that suits the stamps of its images."""

from dataclasses import dataclass

from rclpy.node import Node

from bisenetformer_ros.ros.health.connectivity import node_name


@dataclass(frozen=True)
class NodeClock:
    """The clock of a node."""

    node: str  # full name
    is_simulated: bool  # use_sim_time
    sources: tuple[str, ...]  # nodes that publish /clock

    @property
    def problem(self) -> str:
        """Why time stands still, and how to fix it; empty if it does not."""
        if not self.is_simulated or self.sources:
            return ""
        return (
            "use_sim_time is set, but nobody publishes /clock, so time stands still: play the recording with "
            f"`ros2 bag play BAG --clock`, start the simulator, or run {self._set_use_sim_time(False)}"
        )

    @property
    def advice(self) -> str:
        """Why the stamps may differ from this clock, and how to fix it."""
        if self.is_simulated and self.sources:
            return (
                f"the node uses /clock of {', '.join(self.sources)}, the camera another clock; for a live camera run "
                f"{self._set_use_sim_time(False)}"
            )
        if self.sources:
            return (
                f"{', '.join(self.sources)} publishes /clock, but the node uses the system clock: if its images come "
                f"from a simulation or a recording, run {self._set_use_sim_time(True)}"
            )
        return (
            "the camera does not stamp its images, the clocks of two machines differ, or a recording is being played: "
            f"play it with `ros2 bag play BAG --clock` and run {self._set_use_sim_time(True)}"
        )

    def _set_use_sim_time(self, value: bool) -> str:
        return f"`ros2 param set {self.node} use_sim_time {str(value).lower()}`"


def clock_of(node: Node, name: str, is_simulated: bool) -> NodeClock:
    """Return the clock of a node by its parameter `use_sim_time`.

    Args:
        node: Looks for the publishers of /clock.
        name: Full name of the node in question.
        is_simulated: Its parameter `use_sim_time`.
    """
    sources = {node_name(info) for info in node.get_publishers_info_by_topic("/clock")}
    return NodeClock(name, is_simulated, tuple(sorted(sources)))
