r"""MedicalPatchNet: ``MedicalPatchNet_weights.pt`` of patrick-w/MedicalPatchNet on Hugging Face (MIT).

    python -m benchmark.run --suite nih --model examples/medical_patch_net.py:build \
        --weights MedicalPatchNet_weights.pt --img_size 512 --channels 1 --mean 0 --std 1 \
        --findings "No Finding" "Enlarged Cardiomediastinum" Cardiomegaly "Lung Opacity" "Lung Lesion" Edema \
        Consolidation Pneumonia Atelectasis Pneumothorax "Pleural Effusion" "Pleural Other" Fracture "Support Devices"

The network classifies 64 patches of 64 px separately and averages their logits. Here the patches' feature maps are
joined into one map of 16x16 positions, so that all methods apply; the logits do not change. Names, channels and order
of outputs follow ``NetworkModel.py`` and ``ChexpertDataset.py`` of TruhnLab/MedicalPatchNet, whose code builds
EfficientNetV2-S, although its README states EfficientNet-B0. It was not trained on NIH. Not verified: the weight file.
"""

from torch import Tensor, nn
from torch.nn.functional import fold, unfold
from torchvision.models import efficientnet_v2_s


class build(nn.Module):  # noqa: N801 - the name in --model examples/medical_patch_net.py:build
    """EfficientNetV2-S on patches."""

    def __init__(self) -> None:
        super().__init__()
        self.baseBackbone = efficientnet_v2_s(num_classes=14)
        self.baseBackbone.features[0][0] = nn.Conv2d(1, 24, 3, stride=2, padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,14) of images (N,1,512,512)."""
        patches = unfold(images, 64, stride=64).mT.reshape(-1, 1, 64, 64)
        A = self.baseBackbone.features(patches).reshape(len(images), 64, -1).mT
        return self.baseBackbone.classifier(fold(A, 16, 2, stride=2).mean((2, 3)))
