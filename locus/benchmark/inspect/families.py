"""Which methods support which networks: every method runs on a small network of each family, with random weights."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor

from locus import backbones, methods
from locus.backbones import Classifier
from locus.core.errors import LocusError
from locus.explaining.batch import build_methods, collect_evidence, run_methods
from locus.explaining.evidence import Draw

log = logging.getLogger(__name__)
SIDE = 64
"""Side in pixels of the image."""
FINDINGS = 2
YES, NO = "yes", "–"
CHEAPER = {
    "rise": "rise:count=8",
    "smoothgrad": "smoothgrad:samples=2",
    "integrated_gradients": "integrated_gradients:steps=2",
}
"""Methods with options with which they are faster and support the same networks."""


def _timm(name: str, **options: Any) -> Classifier:
    """Wrap a network of timm, as a user does."""
    import timm  # slow import, only needed here

    return backbones.wrap(
        timm.create_model(name, num_classes=FINDINGS, **options).eval(), img_size=SIDE
    )


def _vit(**options: Any) -> Classifier:
    sizes = {"img_size": SIDE, "depth": 2, "embed_dim": 32, "num_heads": 2}
    return _timm("vit_tiny_patch16_224", **sizes, **options)


def _swin() -> Classifier:
    sizes = {
        "img_size": SIDE,
        "window_size": 4,
        "embed_dim": 16,
        "depths": (2, 2),
        "num_heads": (2, 2),
    }
    return _timm("swin_tiny_patch4_window7_224", **sizes)


def _convnext() -> Classifier:
    return _timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))


def _resnet() -> Classifier:
    from torchvision.models import resnet18  # slow import, only needed here

    return backbones.wrap(resnet18(num_classes=FINDINGS).eval(), img_size=SIDE)


def _built(name: str, pool: str) -> Callable[[], Classifier]:
    return lambda: backbones.build(name, FINDINGS, pool).eval()


FAMILIES: dict[str, Callable[[], Classifier]] = {
    "small CNN, PCAM": _built("custom", "PCAM"),
    "ResNet, built": _built("resnet18", "AVG"),
    "ResNet of torchvision, wrapped": _resnet,
    "EfficientNet": _built("test_efficientnet", "AVG"),
    "ConvNeXt": _convnext,
    "ViT, class token": _vit,
    "ViT, mean pooling": lambda: _vit(class_token=False, global_pool="avg"),
    "DINOv2 with registers": lambda: _vit(reg_tokens=4, init_values=1e-5),
    "Swin": _swin,
}
"""Column -> function that builds a small network of the family."""


def supported(method_names: list[str]) -> dict[str, dict[str, bool]]:
    """Return for each method and family of networks whether there is a map."""
    has_map: dict[str, dict[str, bool]] = {method_name: {} for method_name in method_names}
    with torch.random.fork_rng(devices=[]):
        for family, build in FAMILIES.items():
            torch.manual_seed(0)
            model = build()
            image = torch.randn(1, model.channels, SIDE, SIDE)
            evidence = collect_evidence(model, image, draw=_others(image))
            log.info("running %d methods on %s", len(method_names), family)
            cheaper = {
                CHEAPER.get(method_name, method_name): method_name for method_name in method_names
            }
            for spec, maps in run_methods(build_methods(list(cheaper)), evidence).items():
                has_map[cheaper[spec]][family] = not isinstance(maps, LocusError)
    return has_map


def _others(image: Tensor) -> Draw:
    """Return a function that draws ``image`` in place of images of other patients."""
    return lambda index, count, seed: image.repeat(count, 1, 1, 1)


def table() -> str:
    """Return the table as Markdown: methods with the same networks share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for method_name, has_map in supported(methods.names()).items():
        rows.setdefault(tuple(YES if has_map[family] else NO for family in FAMILIES), []).append(
            f"`{method_name}`"
        )
    most_first = sorted(rows.items(), key=lambda row: (-row[0].count(YES), row[1]))
    return tabulate(
        [(", ".join(names), *cells) for cells, names in most_first],
        ("method", *FAMILIES),
        tablefmt="github",
    )
