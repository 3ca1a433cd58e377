"""Attention layers, one class each: from feature maps to feature maps of the same shape.

``CAM`` weights channels, ``FPA`` weights each position by its context at three scales, and ``SAM`` lets each position
attend to positions with similar features. ``build`` creates the layer of ``--attention_map``. The attention inside of
transformers is in ``locus.backbones.tokens``.
"""

from typing import Any

import torch
from torch import Tensor, nn

from locus.backbones.classifier import precise
from locus.core import registry
from locus.core.errors import BadValueError


class CAM(nn.Module):
    """A_c * sigmoid(W2 relu(W1 mean_xy A))_c: squeeze and excitation. Source: Hu et al., CVPR 2018, eq. 2 to 4.

    There are C / ``ratio`` channels between W1 and W2. Without batch norm, so a batch of one image can be trained.
    """

    def __init__(self, channels: int, ratio: int = 2) -> None:
        super().__init__()
        if not 1 <= ratio <= channels:
            raise BadValueError(f"CAM has ratio={ratio}: give a number from 1 to {channels}, the number of channels")
        narrow = channels // ratio
        self.gate = nn.Sequential(nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels), nn.Sigmoid())

    def forward(self, A: Tensor) -> Tensor:
        """Weight the channels: (N,C,h,w) -> (N,C,h,w)."""
        return A * self.gate(A.mean((-2, -1)))[..., None, None]


class FPA(nn.Module):
    """middle(A) * pyramid(A) + global(A). Source: Li et al., BMVC 2018 (Pyramid Attention Network), figure 3.

    The pyramid halves the maps three times (7x7, 5x5, 3x3 convolutions) and adds the scales up from the coarsest on.
    Sizes are rounded up: a 3x3 map becomes 2x2, 1x1, 1x1. The result may be negative.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.middle = _block(channels, channels, 1)
        self.everywhere = _block(channels, channels, 1)
        self.down = nn.ModuleList([_block(channels, 1, 7), _block(1, 1, 5), _block(1, 1, 3)])
        self.across = nn.ModuleList([_block(1, 1, 7), _block(1, 1, 5), _block(1, 1, 3)])

    def forward(self, A: Tensor) -> Tensor:
        """Weight the positions: (N,C,h,w) -> (N,C,h,w), in float32 even under autocast.

        In bfloat16, the gradient of a 7x7 convolution on a 2x2 map is not finite on some CPUs.
        """
        with torch.autocast(A.device.type, enabled=False):
            A = precise(A)
            return self.middle(A) * self._pyramid(A) + self.everywhere(A.mean((-2, -1), keepdim=True))

    def _pyramid(self, A: Tensor) -> Tensor:
        """Return one weight per position, (N,1,h,w), of (N,C,h,w)."""
        sizes, scales, x = [], [], A
        for down, across in zip(self.down, self.across, strict=True):
            sizes.append(x.shape[-2:])
            x = down(nn.functional.max_pool2d(x, 2, ceil_mode=True))
            scales.append(across(x))
        total = scales[-1]
        for size, finer in zip(sizes[:0:-1], scales[-2::-1], strict=True):
            total = _resize(total, size) + finer
        return _resize(total, sizes[0])


class SteadyBatchNorm(nn.BatchNorm2d):
    """Batch norm that uses its running statistics if there is only one value per channel, which has no variance."""

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,C,h,w)."""
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(x)


def _block(channels: int, out: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, SteadyBatchNorm(out), nn.ReLU())


def _resize(x: Tensor, size: Any) -> Tensor:
    return nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)


class SAM(nn.Module):
    """A + factor * sum_j softmax_j(q_i . k_j) v_j. Source: Fu et al., CVPR 2019 (DANet), eq. 1 and 2.

    Queries and keys have C / 8 channels. The learned ``factor`` starts at 0, so A is unchanged at first. Caveat: the
    features of a position may come from anywhere in the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 8, 1)
        self.query, self.key = nn.Conv2d(channels, narrow, 1), nn.Conv2d(channels, narrow, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.factor = nn.Parameter(torch.zeros(()))

    def forward(self, A: Tensor) -> Tensor:
        """Add the attended features: (N,C,h,w) -> (N,C,h,w)."""
        query, key, value = self.query(A).flatten(2), self.key(A).flatten(2), self.value(A).flatten(2)  # (N, ., h*w)
        share = torch.einsum("ncp,ncq->npq", query, key).softmax(-1).to(value.dtype)
        gathered = torch.einsum("npq,ncq->ncp", share, value)
        return A + self.factor * gathered.reshape(A.shape)


ATTENTIONS: dict[str, type[nn.Module]] = {"CAM": CAM, "FPA": FPA, "SAM": SAM}


def build(spec: str, channels: int) -> nn.Module:
    """Create the attention of a spec. Raises ``UnknownNameError`` and ``BadValueError``."""
    attention: nn.Module = registry.build(ATTENTIONS, "attention map", spec, channels=channels)
    return attention
