"""Checks of a model, images and findings before they are explained."""

import logging
import operator
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from backbones import Classifier
from core.errors import BadValueError, UnknownNameError
from core.names import find_finding

log = logging.getLogger(__name__)
LARGEST = 20.0
"""Limit of plausible values: images normalised as for ImageNet are within ±2.7, grey values of 0 to 255 are not."""
ADVICE = "model.prepare(samples) returns images in the required form"


def check_model(model: Any) -> None:
    """Raise ``BadValueError`` unless ``model`` is a ``backbones.Classifier``."""
    if not isinstance(model, Classifier):
        advice = "wrap it first: locus.wrap(network, findings=[...], img_size=...)"
        raise BadValueError(f"the model is a {type(model).__name__}, not a backbones.Classifier: {advice}")


def check_images(model: Classifier, images: Any, any_size: bool = False) -> None:
    """Check that ``model`` can be explained on ``images``.

    Args:
        model: a built, loaded or wrapped network.
        images: (N,C,H,W) float tensor, C the network's channels.
        any_size: accept a size that differs from the training size of the network.

    Raises:
        BadValueError: if they are not a tensor, have a dtype, number of channels or size that the network does not
            accept, or values that are not finite or not normalised.
    """
    check_batch(model, images)
    if images.shape[1] == 1 and model.channels == 3:
        advice = "images.expand(-1, 3, -1, -1) repeats a normalised channel"
        raise BadValueError(f"images have 1 channel, but the network requires 3: {advice}; {ADVICE}")
    _check_values(model, images)
    size = (images.shape[-2], images.shape[-1])
    if not any_size and model.img_size is not None and size != (model.img_size, model.img_size):
        actual, advice = f"{size[0]}x{size[1]}", "resize them, or set any_size=True to explain them as they are"
        raise BadValueError(
            f"images have {actual} pixels, but the network was trained with {model.img_size}: {advice}; {ADVICE}"
        )


def check_batch(model: Classifier, images: Any) -> None:
    """Raise ``BadValueError`` unless ``images`` are a (N,C,H,W) tensor with N at least 1 and the model's dtype."""
    if not isinstance(images, Tensor):
        advice = "use torch.from_numpy(array) for an array"
        raise BadValueError(f"images must be a torch.Tensor, not {type(images).__name__}: {advice}; {ADVICE}")
    if images.ndim != 4 or not len(images):
        raise BadValueError(
            f"images have the shape {tuple(images.shape)}, but must be (N,3,H,W) with at least one image"
        )
    types = {weight.dtype for weight in model.parameters()} or {images.dtype}
    if images.dtype not in types:
        wanted = types.pop()
        advice = f"convert them with images.to({wanted})" if images.is_floating_point() else ADVICE
        raise BadValueError(f"images are {images.dtype}, but the weights of the model are {wanted}: {advice}")


def _check_values(model: Classifier, images: Tensor) -> None:
    """Raise if ``images`` have values that are not finite or not normalised; warn if they may not be normalised."""
    if not bool(images.isfinite().all()):
        count = int((~images.isfinite()).flatten(1).any(1).sum())
        raise BadValueError(f"{count} of {len(images)} images have NaN or infinite values")
    low, high = (float(value) for value in images.aminmax())
    if model.build_options is not None and max(-low, high) > LARGEST:
        raise BadValueError(
            f"images have values of {low:.4g} to {high:.4g} and are not normalised (normalised values are within ±3): "
            f"{ADVICE}"
        )
    if 0 <= low < high and (high <= 1 or high > LARGEST):
        log.warning("images have values of %.4g to %.4g: are they normalised? %s", low, high, ADVICE)


def finding_positions(model: Classifier, findings: "Sequence[int | str] | str | None") -> tuple[int, ...] | None:
    """Return the indices of ``findings`` among the model's outputs; None (all findings) stays None.

    Args:
        model: a network; its ``findings`` are the names of its outputs.
        findings: indices, names of findings (or their aliases), or one name.

    Raises:
        UnknownNameError: a name that the model does not have. BadValueError: a name if the model's outputs have none,
            or a value that is neither an index nor a name.
    """
    if findings is None:
        return None
    return tuple(_position(model, finding) for finding in ([findings] if isinstance(findings, str) else findings))


def _position(model: Classifier, finding: Any) -> int:
    """Return the position of a finding, given by index or name, in the outputs of ``model``."""
    if not isinstance(finding, str):
        try:
            return operator.index(finding)
        except TypeError as error:
            raise BadValueError(
                f"finding {finding!r} is invalid: use an index, such as 0, or a name, such as 'Mass'"
            ) from error
    if not model.findings:
        advice = "set model.findings in the order of the outputs, or use indices"
        raise BadValueError(f"finding {finding!r}: the outputs of this model have no names: {advice}")
    if (name := find_finding(finding, model.findings)) is None:
        raise UnknownNameError("finding", finding, model.findings)
    return model.findings.index(name)
