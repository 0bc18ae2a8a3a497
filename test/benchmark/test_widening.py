import torch

from bisenetformer_ros.benchmark.widening import widen
from bisenetformer_ros.model import build_model, load_model
from bisenetformer_ros.resources import find_model


def test_the_widened_network_computes_the_same() -> None:
    narrow = load_model(find_model("bisenetformer-nano-camvid")).double()
    wide = build_model("bisenetformer-stdc1", num_classes=19).eval().double()
    widen(narrow, wide)
    images = torch.rand(1, 3, 96, 160, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        class_logits, mask_logits = narrow(images)
        wide_classes, wide_masks = wide(images)
    assert wide_masks.shape[1] == 2 * mask_logits.shape[1]
    torch.testing.assert_close(wide_masks, mask_logits.repeat_interleave(2, dim=1))
    class_logits = class_logits.repeat_interleave(2, dim=1)
    torch.testing.assert_close(wide_classes[..., :11], class_logits[..., :11])
    torch.testing.assert_close(wide_classes[..., -1], class_logits[..., -1])
    assert (wide_classes.softmax(-1)[..., 11:-1] < 1e-6).all()


def test_every_wide_parameter_is_set() -> None:
    narrow = build_model("bisenetformer-nano", num_classes=3).eval()
    wide = build_model("bisenetformer-stdc1", num_classes=3).eval()
    for parameter in wide.parameters():
        parameter.data.fill_(torch.nan)
    widen(narrow, wide)
    assert [name for name, parameter in wide.named_parameters() if parameter.isnan().any()] == []
