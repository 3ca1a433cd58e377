"""Networks of Hugging Face's transformers, from a folder or the hub: ``hf:FOLDER``, ``hf:NAME``.

``build`` returns an encoder without a classifier, such as DINOv2 or RAD-DINO, whose patch tokens are a map that Locus
pools (``--backbone hf:FOLDER --freeze True``). ``load``, ``processor`` and ``statistics`` also serve image classifiers,
which ``locus.benchmark.opening`` opens.
"""

import inspect
import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from locus.backbones import ENCODER, weight_files
from locus.backbones.classifier import Rescale, normalised
from locus.backbones.extractors import Features
from locus.backbones.layers import TokensOf
from locus.core import errors
from locus.core.errors import BadValueError, DataError, NotAvailableError

Numbers = tuple[float, ...]


class EncoderTokens(TokensOf):
    """Encoder of transformers: images -> tokens after the final norm, as a map. See ``TokensOf``."""

    def __init__(self, net: Any) -> None:
        nn.Module.__init__(self)
        self.net = net
        side = _side(net.config)
        self.native = (side, side)
        self.patch = net.config.patch_size
        self.stages = 1
        accepted = inspect.signature(net.forward).parameters
        self.resizing = (
            {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in accepted else {}
        )
        """Argument with which a network resizes its position embedding to the image; others always do."""
        with torch.no_grad():
            tokens = self.tokens(torch.zeros(1, 3, side, side))
        self.prefix = tokens.shape[1] - (side // self.patch) ** 2

    def tokens(self, images: Tensor) -> Tensor:
        """Return the tokens (N,T,C) of images (N,3,H,W)."""
        tokens: Tensor = self.net(images, **self.resizing).last_hidden_state
        return tokens


class Encoder(NamedTuple):
    """An encoder, the conversion of grey values that its weights expect, and what rebuilds both."""

    features: Features
    rescale: Rescale | None
    architecture: dict[str, Any]
    """JSON-able: ``config`` of transformers, ``mean`` and ``std`` of grey values in [0, 1]."""


def build(name: str, pretrained: bool, architecture: Mapping[str, Any] | None = None) -> Encoder:
    """Build the encoder ``name`` of transformers.

    Args:
        name: a folder, or a name on the hub, without ``hf:``.
        pretrained: load its weights; else they are random.
        architecture: that of an earlier encoder, as a checkpoint stores it; None: that of the folder.

    Returns:
        The encoder, whose features are its patch tokens (N,C,h,w).

    Raises:
        DataError: the file of weights is broken, or would run code.
        NotAvailableError: the encoder cannot be loaded, has no patches, or does not say how images are normalised.
    """
    if architecture is None:
        net = load("AutoModel", name)
        mean, std = statistics(processor(name))
        if mean is None:
            raise NotAvailableError(
                f"{ENCODER}{name} does not say how its images are normalised: add its preprocessor_config.json"
            )
        architecture = {"config": net.config.to_dict(), "mean": mean, "std": std}
    if not pretrained:
        net = from_config("AutoModel", f"{ENCODER}{name}", architecture["config"])
    if not isinstance(getattr(net.config, "patch_size", None), int) or _side(net.config) is None:
        raise NotAvailableError(
            f"{ENCODER}{name} is no vision transformer with square patches (a {type(net).__name__}): use --model for "
            "an image classifier, or a network of timm"
        )
    extractor = EncoderTokens(net)
    rescale = normalised(architecture["mean"], architecture["std"], 3)
    return Encoder(Features(extractor, net.config.hidden_size), rescale, dict(architecture))


def _side(config: Any) -> Any:
    """Return the side of the images of a configuration; None if it states none, or images that are not square."""
    size = getattr(config, "image_size", None)
    if isinstance(size, list | tuple):
        return size[0] if len({*size}) == 1 else None
    return size


def library(name: str) -> Any:
    """Return the package transformers, without its messages. Raises ``NotAvailableError`` if it is not installed."""
    errors.require_extra("hf", "transformers", f"{ENCODER}{name}")
    import transformers

    transformers.logging.set_verbosity_error()
    return transformers


def load(kind: str, name: str) -> Any:
    """Return the network ``name`` with its weights, by transformers' class ``kind``, such as ``AutoModel``.

    Raises ``DataError`` for a broken file of weights or one that would run code, ``NotAvailableError`` for others that
    cannot be loaded.
    """
    auto = getattr(library(name), kind)
    try:
        return auto.from_pretrained(name, trust_remote_code=False).eval()
    except pickle.UnpicklingError as error:
        code = weight_files.code_in(error)
        reason = (
            f"its weights would run {code}"
            if code
            else "its weights are truncated or are not pure data"
        )
        advice = "choose another network, or ask its authors for model.safetensors"
        raise DataError(f"{ENCODER}{name} was not loaded because {reason}: {advice}") from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        what = "image classifier" if "Classification" in kind else "encoder"
        raise NotAvailableError(
            f"{ENCODER}{name} cannot be loaded ({reason}): give a local folder or the name of an {what} on the hub"
        ) from error


def from_config(kind: str, word: str, config: Mapping[str, Any]) -> Any:
    """Return a network with random weights, by transformers' class ``kind`` and a configuration as a dictionary.

    Raises ``NotAvailableError`` if the installed version of transformers cannot build it.
    """
    transformers = library(word)
    try:
        built = transformers.AutoConfig.for_model(**config)
        return getattr(transformers, kind).from_config(built, trust_remote_code=False)
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise NotAvailableError(
            f"transformers cannot rebuild the network {word}: {errors.one_line(error)}"
        ) from error


def processor(name: str) -> Any:
    """Return the image processor of a network of transformers; None if it has none."""
    try:
        return library(name).AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, ImportError, AttributeError, TypeError):
        return None


def statistics(processor: Any) -> tuple[Numbers | None, Numbers | None]:
    """Return mean and standard deviation of grey values in [0, 1] that give the images of a processor."""
    if processor is None:
        return None, None
    factor = (
        getattr(processor, "rescale_factor", 1 / 255)
        if getattr(processor, "do_rescale", True)
        else 1.0
    )
    mean, std = processor.image_mean, processor.image_std
    if not getattr(processor, "do_normalize", True):
        mean, std = [0.0], [1.0]
    if not mean or not std:
        return None, None
    return tuple(value / factor / 255 for value in mean), tuple(
        value / factor / 255 for value in std
    )


def processed_size(processor: Any) -> int | None:
    """Return the side of the square images of a processor; None if it does not resize. Raises ``BadValueError``."""
    crops = getattr(processor, "do_center_crop", False)
    size = getattr(processor, "crop_size" if crops else "size", None)
    if size is None or not (crops or getattr(processor, "do_resize", False)):
        return None
    sides = {side for word in ("height", "width", "shortest_edge") if (side := size.get(word))}
    if len(sides) > 1:
        raise BadValueError(f"the images of its processor are not square ({size}): not supported")
    return int(sides.pop()) if sides else None
