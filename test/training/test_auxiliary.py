import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.model.bisenetformer import PixelFeatures
from bisenetformer_ros.training.auxiliary import DenseAuxiliary


def worked_cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """Mean over the labelled pixels, one after the other."""
    losses = []
    for image in range(len(labels)):
        for row in range(labels.shape[1]):
            for column in range(labels.shape[2]):
                if labels[image, row, column] != 255:
                    probabilities = logits[image, :, row, column].softmax(0)
                    losses.append(-probabilities[labels[image, row, column]].log())
    return torch.stack(losses).mean().item()


def test_both_classifiers_are_compared_with_the_labels_at_half_resolution() -> None:
    torch.manual_seed(0)
    auxiliary = DenseAuxiliary(4, 3)
    features = PixelFeatures((torch.randn(2, 4, 1, 1), torch.randn(2, 4, 1, 2)), torch.randn(2, 4, 2, 4))
    labels = torch.randint(0, 3, (2, 16, 32))
    labels[0, :8] = 255
    halved = labels[:, ::2, ::2]
    expected = 0.0
    for classifier, maps in ((auxiliary.on_mask_features, features.mask), (auxiliary.on_context, features.levels[1])):
        logits = F.interpolate(classifier(maps), size=(8, 16), mode="bilinear", align_corners=False)
        expected += worked_cross_entropy(logits, halved) / 2
    torch.testing.assert_close(auxiliary(features, labels), torch.tensor(expected))
