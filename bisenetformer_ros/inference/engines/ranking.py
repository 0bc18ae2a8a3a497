"""Which engine is the fastest, by task and device; docs/engines.md has the measurements."""

FASTEST_FIRST = {
    ("semantic", "cpu"): ("openvino", "torch", "onnxruntime"),
    # Few queries matter at any pixel. PyTorch leaves the others out; a graph has to work on all of them.
    ("panoptic", "cpu"): ("torch", "openvino", "onnxruntime"),
    # Not measured: what TensorRT is made for.
    ("semantic", "cuda"): ("tensorrt", "torch", "onnxruntime", "openvino"),
    ("panoptic", "cuda"): ("tensorrt", "torch", "onnxruntime", "openvino"),
}


def fastest_first(task: str, device: str) -> tuple[str, ...]:
    """Names of engines for "cpu" or "cuda:N"."""
    return FASTEST_FIRST[task, device.partition(":")[0]]


def faster_than_torch(task: str, device: str) -> tuple[str, ...]:
    """The engines that come before PyTorch, which runs everywhere."""
    names = fastest_first(task, device)
    return names[: names.index("torch")]
