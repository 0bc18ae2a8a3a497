"""The speed order of the engines, by task and device; docs/engines.md has the measurements."""

FASTEST_FIRST = {
    ("semantic", "cpu"): ("openvino", "torch", "onnxruntime"),
    # Few queries matter at any pixel. PyTorch skips the others; a graph has to compute all of them.
    ("panoptic", "cpu"): ("torch", "openvino", "onnxruntime"),
    # Not measured: TensorRT is made for these.
    ("semantic", "cuda"): ("tensorrt", "torch", "onnxruntime", "openvino"),
    ("panoptic", "cuda"): ("tensorrt", "torch", "onnxruntime", "openvino"),
}


def fastest_first(task: str, device: str) -> tuple[str, ...]:
    """Names of the engines that run on `device`, "cpu" or "cuda:N"."""
    return FASTEST_FIRST[task, device.partition(":")[0]]


def faster_than_torch(task: str, device: str) -> tuple[str, ...]:
    """The engines ranked before PyTorch, which runs everywhere."""
    names = fastest_first(task, device)
    return names[: names.index("torch")]
