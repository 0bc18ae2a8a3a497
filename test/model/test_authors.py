"""The authors' checkpoint layout: a network that runs directly on tensors under their names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from authors_tensors import (
    CROSS,
    DECODER,
    DIM,
    FEEDFORWARD,
    HEADS,
    NUM_HEADS,
    NUM_QUERIES,
    SELF,
    L,
    M,
    S,
    Tensors,
    Variant,
    authors_tensors,
    imagenet_tensors,
)
from torch import Tensor

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model, load_model
from bisenetformer_ros.model.checkpoint import load_checkpoint, trained_task
from bisenetformer_ros.model.initialization import initialize

PUBLISHED = pytest.mark.parametrize("variant", [S, M, L], ids=["s", "m", "l"])


# --- a network that runs on them, layer after layer -----------------------------------------------


class Reference:
    """Reads its tensors by the authors' names at every step."""

    def __init__(self, tensors: Tensors, variant: Variant) -> None:
        self.t = {name: tensor.double() for name, tensor in tensors.items()}
        self.variant = variant

    def conv(self, x: Tensor, name: str, **options: int) -> Tensor:
        weight = self.t[f"{name}.weight"]
        return F.conv2d(x, weight, self.t.get(f"{name}.bias"), padding=weight.shape[-1] // 2, **options)

    def bn(self, x: Tensor, name: str) -> Tensor:
        statistics = (self.t[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *statistics)

    def block(self, x: Tensor, name: str, **options: int) -> Tensor:
        return torch.relu(self.bn(self.conv(x, f"{name}.conv", **options), f"{name}.bn"))

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.t[f"{name}.weight"], self.t[f"{name}.bias"])

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.t[f"{name}.weight"], self.t[f"{name}.bias"])

    def backbone(self, x: Tensor) -> Iterator[Tensor]:
        prefix = "pixel_decoder.backbone.features."
        ends = {(2, 2, 2): (3, 5, 7), (4, 5, 3): (5, 10, 13)}[self.variant.depths]
        x = self.block(self.block(x, f"{prefix}0", stride=2), f"{prefix}1", stride=2)
        for index in range(2, ends[-1] + 1):
            name = f"{prefix}{index}"
            first = shown = self.block(x, f"{name}.conv_list.0")
            if f"{name}.avd_layer.0.weight" in self.t:
                first = self.conv(first, f"{name}.avd_layer.0", stride=2, groups=first.shape[1])
                first = self.bn(first, f"{name}.avd_layer.1")
                shown = F.avg_pool2d(shown, 3, 2, 1)
            outputs = [first]
            for number in (1, 2, 3):
                outputs.append(self.block(outputs[-1], f"{name}.conv_list.{number}"))
            x = torch.cat([shown, *outputs[1:]], dim=1)
            if index in ends:
                yield x

    def refined(self, x: Tensor, name: str) -> Tensor:
        x = self.block(self.conv(x, f"{name}.proj"), f"{name}.conv")
        return x * self.bn(self.conv(x.mean((2, 3), True), f"{name}.conv_atten"), f"{name}.bn_atten").sigmoid()

    def pixels(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
        res3, res4, res5 = self.backbone((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        cp, ffm = "pixel_decoder.cp.", "pixel_decoder.ffm."
        context32 = self.refined(res5, f"{cp}arm32") + self.block(res5.mean((2, 3), True), f"{cp}conv_avg")
        up = F.interpolate(context32, res4.shape[-2:], mode="bilinear")
        context16 = self.refined(res4, f"{cp}arm16") + self.block(up, f"{cp}conv_head32")
        context8 = self.block(F.interpolate(context16, res3.shape[-2:], mode="bilinear"), f"{cp}conv_head16")
        fused = self.block(self.conv(res3, f"{ffm}proj1") + self.conv(context8, f"{ffm}proj2"), f"{ffm}convblk")
        gate = self.conv(torch.relu(self.conv(fused.mean((2, 3), True), f"{ffm}conv1")), f"{ffm}conv2").sigmoid()
        return self.block(fused * gate + fused, "pixel_decoder.conv_out"), [context32, context16]

    def attention(self, name: str, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None = None) -> Tensor:
        t = self.t
        in_proj = (t[f"{name}.in_proj_weight"], t[f"{name}.in_proj_bias"], None, None, False, 0.0)
        out_proj = (t[f"{name}.out_proj.weight"], t[f"{name}.out_proj.bias"])
        return F.multi_head_attention_forward(
            query, key, value, DIM, NUM_HEADS, *in_proj, *out_proj, training=False, attn_mask=blocked
        )[0]

    def predict(self, x: Tensor, mask_features: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.norm(x, f"{HEADS}decoder_norm").transpose(0, 1)
        embed = normed
        for layer in range(3):
            embed = self.linear(embed, f"{HEADS}mask_classifier.layers.{layer}")
            embed = torch.relu(embed) if layer < 2 else embed
        return self.linear(normed, f"{HEADS}classifier"), torch.einsum("bqc,bchw->bqhw", embed, mask_features)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mask_features, levels = self.pixels(images)
        embed = self.t[f"{DECODER}query_embed.weight"][:, None]
        x = self.t[f"{DECODER}query_feat.weight"][:, None].expand(-1, len(images), -1)
        for index in range(self.variant.num_blocks):
            level = levels[index % 2]
            masks = F.interpolate(self.predict(x, mask_features)[1], level.shape[-2:], mode="bilinear").flatten(2)
            blocked = (masks < 0) & (masks >= 0).any(dim=2, keepdim=True)
            source = self.conv(level, f"{DECODER}input_proj.{index % 2}").flatten(2).permute(2, 0, 1)
            query = self.norm(x, f"{CROSS}{index}.norm") + embed
            key = source + positions(*level.shape[-2:])
            x = x + self.attention(
                f"{CROSS}{index}.multihead_attn", query, key, source, blocked.repeat_interleave(NUM_HEADS, 0)
            )
            normed = self.norm(x, f"{SELF}{index}.norm")
            x = x + self.attention(f"{SELF}{index}.self_attn", normed + embed, normed + embed, normed)
            hidden = torch.relu(
                self.linear(self.norm(x, f"{FEEDFORWARD}{index}.norm"), f"{FEEDFORWARD}{index}.linear1")
            )
            x = x + self.linear(hidden, f"{FEEDFORWARD}{index}.linear2")
        return self.predict(x, mask_features)


def positions(height: int, width: int) -> Tensor:
    """(H·W, 1, DIM) sine encoding of DETR."""
    axes = []
    for length in (height, width):
        angle = torch.arange(1, length + 1) / (length + 1e-6) * 2 * torch.pi
        angle = angle[:, None] / 10000 ** (torch.arange(0, DIM // 2, 2) / (DIM // 2))
        axes.append(torch.stack((angle.sin(), angle.cos()), dim=2).flatten(1))
    y, x = axes[0][:, None].expand(-1, width, -1), axes[1][None].expand(height, -1, -1)
    return torch.cat((y, x), dim=2).reshape(height * width, 1, DIM).double()


# --- the tests ------------------------------------------------------------------------------------


@PUBLISHED
def test_published_checkpoints_load_and_compute_the_same(variant: Variant, tmp_path: Path) -> None:
    tensors = authors_tensors(variant)
    torch.save({"model": tensors, "iteration": 159999}, tmp_path / "model_final.pth")
    model, metadata = load_checkpoint(tmp_path / "model_final.pth")
    assert metadata.architecture == {
        "name": variant.name,
        "num_classes": 150,
        "channels": variant.channels,
        "dim": DIM,
        "num_heads": NUM_HEADS,
        "feedforward_dim": variant.feedforward_dim,
        "num_queries": NUM_QUERIES,
        "num_blocks": variant.num_blocks,
        "num_levels": 2,
    }
    assert (metadata.labels.name, len(metadata.labels), metadata.input_size) == ("ade20k150", 150, 640)
    assert metadata.task == trained_task(tmp_path / "model_final.pth") == "semantic"
    images = torch.rand(2, 3, 64, 96, dtype=torch.float64) * 255
    with torch.no_grad():
        for ours, expected in zip(model.double()(images), Reference(tensors, variant)(images), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("wrapper", ["model", "state_dict", None])
def test_wrapped_tensors_load(wrapper: str | None, tmp_path: Path) -> None:
    tensors = authors_tensors(S)
    torch.save({wrapper: tensors} if wrapper else tensors, tmp_path / "model_final.pth")
    stem = load_model(tmp_path / "model_final.pth").backbone.stem[0].conv.weight
    assert torch.equal(stem, tensors["pixel_decoder.backbone.features.0.conv.weight"])


@pytest.mark.parametrize(("num_classes", "labels"), [(19, "cityscapes19"), (7, "anonymous")])
def test_label_maps_are_chosen_by_the_number_of_classes(num_classes: int, labels: str, tmp_path: Path) -> None:
    torch.save(authors_tensors(Variant(S.name, S.depths, 128, 6, 1024, num_classes)), tmp_path / "fine_tuned.pth")
    _, metadata = load_checkpoint(tmp_path / "fine_tuned.pth")
    assert (metadata.name, metadata.labels.name, len(metadata.labels)) == ("fine_tuned", labels, num_classes)
    assert metadata.input_size is None


def test_unfitting_tensors_are_listed(tmp_path: Path) -> None:
    tensors = authors_tensors(S)
    del tensors["pixel_decoder.cp.arm16.proj.weight"]
    tensors["head.predictor.level_embed.weight"] = torch.ones(2, 256)
    tensors["pixel_decoder.conv_out.bn.bias"] = torch.ones(3)
    torch.save(tensors, tmp_path / "model_final.pth")
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "model_final.pth")
    message = str(caught.value)
    assert "model_final.pth" in message
    assert "missing context_path.refine16.project.weight;" in message
    assert "unknown head.predictor.level_embed.weight;" in message
    assert "feature_fusion.out.bn.bias ([3], expected [128])" in message


def test_an_unknown_structure_is_an_error(tmp_path: Path) -> None:
    tensors = authors_tensors(S)
    del tensors[f"{HEADS}classifier.weight"]
    torch.save(tensors, tmp_path / "model_final.pth")
    with pytest.raises(ModelError, match=r"model_final.pth: cannot infer the structure.*classifier.weight"):
        load_model(tmp_path / "model_final.pth")


@pytest.mark.parametrize("depths", [(2, 2, 1), (3, 4, 3)])
def test_other_backbones_are_rejected(depths: tuple[int, int, int], tmp_path: Path) -> None:
    torch.save(authors_tensors(Variant("", depths, 16, 2, 16)), tmp_path / "other.pth")
    with pytest.raises(ModelError, match=rf"stages of \[{', '.join(map(str, depths))}\] blocks, expected one of"):
        load_model(tmp_path / "other.pth")


def test_a_backbone_without_stages_is_rejected(tmp_path: Path) -> None:
    tensors = {n: t for n, t in authors_tensors(S).items() if not n.startswith("pixel_decoder.backbone")}
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"stages of \[\] blocks"):
        load_model(tmp_path / "other.pth")


@pytest.mark.parametrize(("name", "depths"), [("bisenetformer-stdc1", (2, 2, 2)), ("bisenetformer-stdc2", (4, 5, 3))])
def test_imagenet_weights_load_as_a_backbone(name: str, depths: tuple[int, int, int], tmp_path: Path) -> None:
    tensors = imagenet_tensors(depths)
    torch.save({"state_dict": tensors}, tmp_path / "stdc.pth")
    model = build_model(name, 19).eval()
    before = model.decoder.query_feat.weight.clone()
    assert "backbone from" in initialize(model, tmp_path / "stdc.pth", LabelMap.load("cityscapes19"))
    assert torch.equal(model.decoder.query_feat.weight, before)
    prefixed = {f"pixel_decoder.backbone.{n}": t for n, t in tensors.items() if n.startswith("features.")}
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        _, *features = model.backbone.double()(images)
        for ours, expected in zip(
            features, Reference(prefixed, Variant("", depths, 0, 0, 0)).backbone(images), strict=True
        ):
            torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)


def test_imagenet_weights_of_another_depth_are_rejected(tmp_path: Path) -> None:
    torch.save(imagenet_tensors((4, 5, 3)), tmp_path / "stdc2.pth")
    with pytest.raises(ModelError, match=r"stdc2.pth: tensors do not fit the network: unknown stages.0.2"):
        initialize(build_model("bisenetformer-stdc1", 19), tmp_path / "stdc2.pth", LabelMap.load("cityscapes19"))


def test_a_backbone_is_not_a_model(tmp_path: Path) -> None:
    torch.save(imagenet_tensors((2, 2, 2)), tmp_path / "stdc.pth")
    with pytest.raises(ModelError, match="got an ImageNet backbone, which can initialize"):
        load_model(tmp_path / "stdc.pth")
