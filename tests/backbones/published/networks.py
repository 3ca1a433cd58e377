"""Networks of other projects, reduced to names and logits, with random weights."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

JF_FINDINGS = 5


def seen(net, images=None):
    """Return ``net`` in evaluation mode with calibrated batch norms, so that logits depend on the image."""
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 64, 64) if images is None else images)
    return net.eval()


class Kinds(nn.Module):
    """jfhealthcare's attention, whose files contain both kinds."""

    def __init__(self, word, channels):
        super().__init__()
        self.word = word
        self.channel_attention, self.spatial_attention = nn.Module(), nn.Module()
        self.channel_attention.fc1 = nn.Linear(channels, channels // 2)
        self.channel_attention.fc2 = nn.Linear(channels // 2, channels)
        for number, wide in ((1, channels // 8), (2, channels // 8), (3, channels)):
            setattr(self.spatial_attention, f"conv{number}", nn.Conv2d(channels, wide, 1))
        self.spatial_attention.gamma = nn.Parameter(torch.full((1,), 0.3))

    def forward(self, A):
        if self.word == "CAM":
            part = self.channel_attention
            return A * torch.sigmoid(part.fc2(functional.relu(part.fc1(A.mean((2, 3))))))[..., None, None]
        part = self.spatial_attention
        query, key, value = (getattr(part, f"conv{number}")(A).flatten(2) for number in (1, 2, 3))
        share = torch.softmax(query.transpose(1, 2) @ key, -1)
        return part.gamma * (value @ share.transpose(1, 2)).reshape(A.shape) + A


class Chexpert(nn.Module):
    """jfhealthcare/Chexpert (model/classifier.py, global_pool.py): a 1x1 convolution and a batch norm per finding."""

    def __init__(self, pool="PCAM", heads=(1,) * JF_FINDINGS, attention="None", fc_bn=False, groups=1):
        super().__init__()
        self.pool, self.attention, self.fc_bn, self.count = pool, attention, fc_bn, len(heads)
        self.backbone = torchvision.models.densenet121()
        for index, classes in enumerate(heads):
            setattr(self, f"fc_{index}", nn.Conv2d(1024 * groups, classes, 1))
            setattr(self, f"bn_{index}", nn.BatchNorm2d(1024 * groups))
        self.attention_map = Kinds(attention, 1024)

    def forward(self, x):
        A = functional.relu(self.backbone.features(x))
        logits = []
        for index in range(self.count):
            if self.attention != "None":
                A = self.attention_map(A)
            layer = getattr(self, f"fc_{index}")
            feat = pooled(self.pool, A, layer)
            feat = getattr(self, f"bn_{index}")(feat) if self.fc_bn else feat
            logits.append(layer(feat).flatten(1))
        return torch.cat(logits, 1)


def pooled(word, A, layer):
    if word == "PCAM":
        chance = torch.sigmoid(layer(A))
        return (A * (chance / chance.sum((2, 3), keepdim=True))).sum((2, 3), keepdim=True)
    mean, most = A.mean((2, 3), keepdim=True), A.amax((2, 3), keepdim=True)
    lse = most + torch.log(torch.exp(0.5 * (A - most)).mean((2, 3), keepdim=True)) / 0.5
    return {"AVG": mean, "LSE": lse, "AVG_MAX_LSE": torch.cat((mean, most, lse), 1)}[word]


class XRayDense(nn.Module):
    """alinstein/X_RAY's DenseNet121: no ReLU after the features, with torchvision's unused classifier."""

    def __init__(self, findings=8):
        super().__init__()
        self.img_model = torchvision.models.densenet121()
        self.FF = nn.Sequential(nn.Conv2d(1024, findings, 1))

    def forward(self, x):
        return self.FF(pooled("LSE", self.img_model.features(x), None)).flatten(1)


class XRayResNet(nn.Module):
    """alinstein/X_RAY's ResNet18 without its sigmoid."""

    def __init__(self, findings=8):
        super().__init__()
        self.img_model = torchvision.models.resnet18()
        self.img_model.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(512, findings))

    def forward(self, x):
        return self.img_model(x)


class XRayPcam(nn.Module):
    """alinstein/X_RAY's PCAM_Model with ResNet18, without its dropout, which is active in evaluation."""

    def __init__(self, findings=3):
        super().__init__()
        net = torchvision.models.resnet18()
        self.img_model = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4)
        self.findings = findings
        for index in range(findings):
            setattr(self, f"fc_{index}", nn.Conv2d(512, 1, 1))

    def forward(self, x):
        A = self.img_model(x)
        layers = [getattr(self, f"fc_{index}") for index in range(self.findings)]
        return torch.cat([layer(pooled("PCAM", A, layer)).flatten(1) for layer in layers], 1)


class XRayEfficient(nn.Module):
    """alinstein/X_RAY's EfficientNet_model: the package's network with its unused last layer."""

    def __init__(self, findings=8):
        super().__init__()
        self.img_model = pytest.importorskip("efficientnet_pytorch").EfficientNet.from_name("efficientnet-b0")
        self.FF = nn.Sequential(nn.Conv2d(1280, findings, 1))

    def forward(self, x):
        return self.FF(self.img_model.extract_features(x).mean((2, 3), keepdim=True)).flatten(1)


def wrapped(prefix):
    """Return a state dict with ``prefix`` in front of its names."""
    return lambda state: {prefix + name: value for name, value in state.items()}
