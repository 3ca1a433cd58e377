"""Find the family of a backbone by name and assemble the classifier."""

import functools

from torch import nn

from backbones import xray_weights
from backbones.classifier import Classifier
from backbones.family import Family, OpenFamily
from backbones.head import Head
from backbones.pretrained import require
from backbones.rescaled import Rescale
from core.errors import BadValueError, UnknownNameError
from core.registry import Registry, construct

families = Registry("backbones", "backbone family")
poolings = Registry("backbones.pooling", "pooling")
attentions = Registry("backbones.attention", "attention map")


def assemble(
    name: str, num_classes: int, global_pool: str, attention_map: str | None, pretrained: bool | str, dropout: float
) -> Classifier:
    """Build a classifier; see :func:`backbones.build`."""
    _check(num_classes, dropout)
    name, weights = xray_weights.resolve(name, pretrained)
    attention_map = None if attention_map is None or attention_map.lower() == "none" else attention_map
    pooling = poolings.build(global_pool)
    if attention_map:
        attentions.get(attention_map)  # reports a typo before weights are loaded
    plain, colon, given = name.partition(":")
    family, word = resolve(plain)
    rescale = construct(Rescale, "backbone", name, {}) if colon else None
    extractor, width, levels = family.build(word, weights is True)
    attention = attentions.build(attention_map, channels=width) if attention_map else None
    head = Head(pooling, nn.Linear(pooling.groups * width, num_classes), dropout)
    config = {"name": word + colon + given, "num_classes": num_classes}
    config |= {"global_pool": global_pool, "attention_map": attention_map}
    config |= {"pretrained": False, "dropout": dropout}
    model = Classifier(extractor, head, attention, config, levels=levels, rescale=rescale)
    if isinstance(weights, str):
        xray_weights.load(model, weights)
    return model


def require_weights(name: str, pretrained: bool | str) -> None:
    """Raise ``NotAvailableError`` if requested weights are neither on disk nor downloadable."""
    name, weights = xray_weights.resolve(name, pretrained)
    if isinstance(weights, str):
        xray_weights.require(weights)
    word = resolve(name.partition(":")[0])[1].removesuffix("_signed")
    if weights is not True:
        return
    import timm  # slow import, only needed for its weights

    if timm.is_model(word):
        require(word)


def names() -> list[str]:
    """Return the backbones that families list by name, sorted."""
    return sorted(word for family in _all() for word in family.words)


def resolve(name: str) -> tuple[Family, str]:
    """Return the family that builds ``name`` and the canonical name; families that list it take precedence.

    Raises ``UnknownNameError`` with the registered names and the nearest names.
    """
    for family in sorted(_all(), key=lambda family: isinstance(family, OpenFamily)):
        word = family.resolve(name)
        if word is not None:
            return family, word
    wide = [family for family in _all() if isinstance(family, OpenFamily)]
    near = [word for family in wide for word in family.suggest(name)]
    raise UnknownNameError("backbone", name, names(), near, also=" and ".join(family.described for family in wide))


@functools.cache
def _all() -> tuple[Family, ...]:
    return tuple(families.get(name)() for name in families.names())


def _check(num_classes: int, dropout: float) -> None:
    if num_classes < 1:
        raise BadValueError(f"num_classes is {num_classes}: give at least 1")
    if not 0 <= dropout < 1:
        raise BadValueError(f"dropout is {dropout}: give a rate of at least 0 and below 1")
