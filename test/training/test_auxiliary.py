import math

import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.model.bisenetformer import PixelFeatures
from bisenetformer_ros.training.auxiliary import DenseAuxiliary, class_counts, class_weights


def worked_cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """Weighted mean over the labelled pixels, one after the other; rare classes weigh more."""
    losses, weights = [], []
    labelled = [label for label in labels.flatten().tolist() if label != 255]
    for image in range(len(labels)):
        for row in range(labels.shape[1]):
            for column in range(labels.shape[2]):
                if labels[image, row, column] != 255:
                    probabilities = logits[image, :, row, column].softmax(0)
                    label = labels[image, row, column].item()
                    weights.append(1 / math.log(1.02 + labelled.count(label) / len(labelled)))
                    losses.append(-probabilities[label].log().item())
    return sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / sum(weights)


def test_both_classifiers_are_compared_with_the_labels_at_a_quarter_of_the_resolution() -> None:
    torch.manual_seed(0)
    auxiliary = DenseAuxiliary(4, 3)
    features = PixelFeatures((torch.randn(2, 4, 1, 1), torch.randn(2, 4, 1, 2)), torch.randn(2, 4, 2, 4))
    labels = torch.randint(0, 3, (2, 16, 32), dtype=torch.uint8)
    labels[0, :8] = 255
    quartered = labels[:, ::4, ::4]
    expected = 0.0
    for classifier, maps in ((auxiliary.on_mask_features, features.mask), (auxiliary.on_context, features.levels[1])):
        logits = F.interpolate(classifier(maps), size=(4, 8), mode="bilinear", align_corners=False)
        expected += worked_cross_entropy(logits, quartered) / 2
    torch.testing.assert_close(auxiliary(features, labels), torch.tensor(expected))


def test_half_precision_does_not_lose_the_counts() -> None:
    """The number of pixels is more than half precision can hold; the losses stay those of single precision."""
    torch.manual_seed(0)
    auxiliary = DenseAuxiliary(4, 3)
    features = PixelFeatures((torch.randn(2, 4, 8, 8), torch.randn(2, 4, 16, 16)), torch.randn(2, 4, 32, 32))
    labels = torch.randint(0, 3, (2, 256, 256), dtype=torch.uint8)
    with torch.autocast("cpu", torch.float16):
        half = auxiliary(features, labels)
    torch.testing.assert_close(half, auxiliary(features, labels), rtol=1e-2, atol=0)


def test_a_batch_without_labels_costs_nothing() -> None:
    features = PixelFeatures((torch.randn(2, 4, 1, 1), torch.randn(2, 4, 1, 2)), torch.randn(2, 4, 2, 4))
    assert DenseAuxiliary(4, 3)(features, torch.full((2, 16, 32), 255, dtype=torch.uint8)).item() == 0


def test_rare_classes_weigh_more() -> None:
    """One class fills 3 pixels of 4, one 1 of 4, one none; ENet's formula by hand."""
    labels = torch.tensor([[[0, 0, 0, 1], [255, 255, 255, 255]]])
    assert class_counts(labels, 3).tolist() == [3, 1, 0]
    weights = class_weights(torch.tensor([3.0, 1.0, 0.0]))
    torch.testing.assert_close(weights, torch.tensor([1.7514, 4.1838, 50.4983]), atol=1e-4, rtol=0)
    torch.testing.assert_close(class_weights(torch.zeros(2)), torch.tensor([50.4983] * 2), atol=1e-3, rtol=0)
