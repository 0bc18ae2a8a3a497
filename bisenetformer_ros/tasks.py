"""The tasks of a network. Imports only the standard library, so that the launch file can read it under any Python."""

TASKS = ("semantic", "panoptic")
"""semantic: a class per pixel. panoptic: segments, one per instance of a thing and one per stuff class."""


def task_warning(task: str, trained_for: str) -> str:
    """Return why results of `task` are poor from weights that were trained for another one, and what to do; else "".

    A panoptic network also serves the semantic task: the masks of a class add up to its pixels.
    """
    if (task, trained_for) != ("panoptic", "semantic"):
        return ""
    return (
        "the weights were trained for the semantic task: their panoptic segments merge objects of a class and leave "
        "pixels unlabeled; set task to auto or semantic, or use weights that were trained for the panoptic task"
    )
