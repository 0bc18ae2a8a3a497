"""The whole graph as one module: camera frames in, label maps or query maps out."""

import torch
from torch import Tensor, nn

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.graph.contract import MAX_QUERIES
from bisenetformer_ros.inference.graph.input import FrameInput
from bisenetformer_ros.inference.graph.network import ExportableNetwork
from bisenetformer_ros.inference.graph.outputs import PanopticOutput, SemanticOutput
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer

MASK_STRIDE = 8
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.float32}
"""Type of the network's weights and activations, by precision; int8.py quantizes the exported graph."""


class SegmentationGraph(nn.Module):
    """Maps `contract.INPUTS` to `contract.OUTPUTS`, or frames to LOGITS, for frames of (height, width) `frame_size`.

    `folded` is a result of `fold`, whose weights are converted in place: see `ExportableNetwork`.
    """

    def __init__(
        self,
        folded: BiSeNetFormer,
        metadata: ModelMetadata,
        task: str,
        frame_size: tuple[int, int],
        precision: str,
        colours: str,
        semantic_order: SemanticOrder = "full",
        ends_at: str = "results",
    ) -> None:
        super().__init__()
        geometry = plan_geometry(frame_size, metadata.input_size)
        height, width = geometry.padded_size
        mask_size = height // MASK_STRIDE, width // MASK_STRIDE
        num_classes, num_queries = len(metadata.labels), folded.decoder.query_feat.num_embeddings
        self.frame_input: nn.Module = FrameInput(geometry, metadata.pixel_mean, metadata.pixel_std, colours)
        self.network = ExportableNetwork(folded, geometry.padded_size, DTYPES[precision])
        self.ends_at = ends_at
        self.output: nn.Module = SemanticOutput(num_classes, num_queries, mask_size, geometry, semantic_order)
        if task == "panoptic":
            if num_queries > MAX_QUERIES:
                raise ConfigError(f"expected at most {MAX_QUERIES} queries, as a query map can hold, got {num_queries}")
            self.output = PanopticOutput(num_classes, num_queries, mask_size, geometry)

    def forward(self, frames: Tensor, score_threshold: Tensor | None = None) -> tuple[Tensor, ...]:
        logits = self.network(self.frame_input(frames))
        if self.ends_at == "logits":
            return logits
        return self.output(*logits) if score_threshold is None else self.output(*logits, score_threshold)
