"""Contenders: methods of Locus, and packages called as in their documentation, in a loop over the findings.

A contender is a function of (model, images, findings) that does the preparation and returns the call to time. Other
packages get the model itself; its ``extractor`` is the module with output A.
"""

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.explain import explain
from tools.speed import names
from tools.speed.record import On

if TYPE_CHECKING:
    from backbones import Classifier

Call = Callable[[], object]
Contender = Callable[["Classifier", Tensor, Sequence[int]], Call]

METHODS = ("cam", "gradcam", "gradcampp", "xgradcam", "hirescam", "layercam", "eigencam")
SIX = ("GradCAM", "GradCAMPlusPlus", "XGradCAM", "HiResCAM", "LayerCAM", "EigenCAM")


def network(on: On, findings: int, device: str = "cpu") -> "tuple[Classifier, Tensor]":
    """Return a model with K = ``findings`` in evaluation mode and (N,3,H,W) images, the same for the same conditions.

    Parameters require gradients, as those of a loaded model. Weights are random, but the batch norms have seen one
    batch; otherwise the maps would be empty or constant.
    """
    import backbones

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = backbones.build(str(on["backbone"]), findings)
        torch.nn.init.normal_(model.weight)
        with torch.no_grad():
            model.train()(torch.randn(8, 3, 96, 96))
        images = torch.randn(int(on["batch"]), 3, int(on["size"]), int(on["size"]))
        return model.eval().to(device), images.to(device)


def forward(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """Bare forward pass in inference mode."""
    return partial(torch.inference_mode()(model.forward), images)


def channels_last(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """Bare forward pass of images in the channels-last format, which is faster on CPUs."""
    return forward(model, images.contiguous(memory_format=torch.channels_last), findings)


def locus(*methods: str) -> Contender:
    """Maps of ``methods`` by Locus, at h×w."""

    def prepare(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
        return partial(explain, model, images, methods, findings)

    return prepare


def earlier(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """Grad-CAM of the last layer before the pooled map; the backward pass goes through the layers after it."""
    return partial(explain, model, images, ("gradcam",), findings, layer=model.layer_names[-1])


def package(*names: str) -> Contender:
    """The package grad-cam: an object per method, a call per finding; maps at the images' size, scaled to [0,1]."""

    def prepare(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        def call() -> list[object]:
            maps = []
            for name in names:
                with getattr(pytorch_grad_cam, name)(model=model, target_layers=[model.extractor]) as cam:
                    target_lists = ([ClassifierOutputTarget(k)] * len(images) for k in findings)
                    maps += [cam(input_tensor=images, targets=targets) for targets in target_lists]
            return maps

        return call

    return prepare


def package_score(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """grad-cam's Score-CAM with its default batch size (16), without progress bars."""
    call = package("ScoreCAM")(model, images, findings)

    def quiet() -> object:
        with contextlib.redirect_stderr(io.StringIO()):
            return call()

    return quiet


def captum(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """captum's LayerGradCam: an attribution per target; maps at h×w."""
    from captum.attr import LayerGradCam

    explainer = LayerGradCam(model, model.extractor)
    return lambda: [explainer.attribute(images, target=k, relu_attributions=True) for k in findings]


def torchcam(model: "Classifier", images: Tensor, findings: Sequence[int]) -> Call:
    """torchcam's GradCAM: a forward pass and an extraction, which frees the graph, per finding; maps at h×w."""
    from torchcam.methods import GradCAM

    def call() -> list[list[Tensor]]:
        with GradCAM(model, "extractor") as extractor:
            return [extractor(class_idx=k, scores=model(images)) for k in findings]

    return call


CONTENDERS: dict[str, Contender] = {
    names.BARE: forward,
    names.CHANNELS_LAST: channels_last,
    names.SEVEN: locus(*METHODS),
    names.GRADCAM: locus("gradcam"),
    names.SCORECAM: locus("scorecam"),
    names.EARLIER: earlier,
    names.PACKAGE_SIX: package(*SIX),
    names.PACKAGE_SCORECAM: package_score,
    names.CAPTUM: captum,
    names.TORCHCAM: torchcam,
}
"""Name in the record -> contender."""
