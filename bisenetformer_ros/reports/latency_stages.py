"""Where the time of a frame went, stage by stage, as the charts of the reports show it."""

from bisenetformer_ros.replay.recording import STAGES, Recording

STAGE_TEXTS = {
    "transport": "camera to node",
    "waiting": "waiting for the worker",
    "decode": "decode",
    "preprocess": "preprocess",
    "inference": "inference",
    "postprocess": "postprocess",
    "publish": "publish",
    "total": "total in the node",
    "age": "camera to listener",
}
SERIES = {name: number for number, name in enumerate(STAGES)} | {"waiting": 6, "total": 7, "age": 7}


def latency_columns(recording: Recording) -> list[dict[int, float] | None]:
    """The stages of every frame sent, by their number in SERIES; None without a result."""
    columns: list[dict[int, float] | None] = []
    for stamp in sorted(recording.sent):
        event = recording.outputs["latency"].get(stamp)
        if event is None:
            columns.append(None)
            continue
        stages = {name: max(0.0, event["stages"][name]) for name in ("transport", *STAGES[1:])}
        waiting = event["stages"]["total"] - sum(value for name, value in stages.items() if name != "transport")
        ordered = {"transport": stages.pop("transport"), "waiting": max(0.0, waiting)} | stages
        columns.append({SERIES[name]: value for name, value in ordered.items()})
    return columns
