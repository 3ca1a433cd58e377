"""Resolve the name of a backbone and build the classifier."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from locus import backbones
from locus.backbones import class_token, encoders, extractors, weight_files
from locus.backbones import pooling as poolings
from locus.backbones.class_token import ClassTokenClassifier, ClassTokenHead
from locus.backbones.classifier import Classifier, Head, Rescale, require_side
from locus.backbones.extractors import Features, require
from locus.backbones.pooling import ATTENTIONS, build_attention
from locus.core.errors import BadValueError
from locus.core.registry import construct, named


def build(
    name: str,
    num_classes: int,
    global_pool: str = "AVG",
    attention_map: str | None = None,
    pretrained: bool | str = False,
    dropout: float = 0.0,
    findings: Sequence[str] = (),
    img_size: int | None = None,
    architecture: Mapping[str, Any] | None = None,
) -> Classifier:
    """Build a classifier: backbone -> attention -> pooling -> dropout -> linear layer.

    Args:
        name: one of :func:`locus.backbones.names` or any timm model with feature maps. Options set the grey values
            that its weights expect if they are not ImageNet's (``densenet121:mean=128,std=64``), and the stride of the
            feature map (``resnet18:stride=8``, see :func:`locus.backbones.extractors.finer`).
            ``small_vit:class_token=True`` has a class token, which the classifier reads. ``hf:FOLDER`` is an encoder
            of transformers (see :func:`locus.backbones.encoders.build`).
        num_classes: number of findings.
        global_pool: pooling, optionally with options (``LSE:gamma=5``). ``TOKEN``, and no other, for a network whose
            classifier reads its class token.
        attention_map: attention, or None.
        pretrained: True loads ImageNet weights; a name loads torchxrayvision's (``densenet121-res224-nih``, which is
            also accepted as ``name``).
        dropout: rate, in [0, 1).
        findings: names of the outputs, in order.
        img_size: side of the input images in pixels.
        architecture: that of an encoder of transformers, as a checkpoint stores it; None: it is read from its folder.

    Returns:
        The network, in training mode, with random weights unless ``pretrained``.

    Raises:
        UnknownNameError: an unknown network, pooling or attention.
        BadValueError: another invalid argument.
        NotAvailableError: weights that cannot be downloaded.

    Example::

        model = locus.build("resnet18", num_classes=2, findings=["Mass", "Nodule"], img_size=224)
        logits = model(torch.rand(1, 3, 224, 224))  # (1, 2)
    """
    require_side(num_classes, "num_classes")
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise BadValueError(f"dropout is {dropout!r}: give a rate of at least 0 and below 1")
    attention_map = (
        None if attention_map is None or attention_map.lower() == "none" else attention_map
    )
    backbones.require_pooling(name, global_pool, attention_map)
    reads_token = backbones.has_class_token(name)
    pooling = None if reads_token else poolings.build(global_pool)
    if attention_map:
        named(
            ATTENTIONS, "attention map", attention_map
        )  # reports a typo before weights are loaded
    if backbones.is_encoder(name):
        parts = _encoder(name, pretrained, architecture)
    else:
        parts = _network(name, pretrained)
    extractor, width, layer_names = parts.features
    config = {**parts.options, "num_classes": num_classes}
    config |= {"global_pool": global_pool, "attention_map": attention_map}
    config |= {"pretrained": False, "dropout": dropout}
    if pooling is None:
        token_head = ClassTokenHead(nn.Linear(width, num_classes), dropout)
        token_model = ClassTokenClassifier(parts.features, token_head, config, parts.rescale)
        return token_model.set_outputs(findings, img_size)
    attention = build_attention(attention_map, width) if attention_map else None
    head = Head(pooling, nn.Linear(pooling.groups * width, num_classes), dropout)
    model = Classifier(
        extractor, head, attention, config, layer_names=layer_names, rescale=parts.rescale
    )
    if parts.xray_weights:
        weight_files.load_xray(model, parts.xray_weights)
    return model.set_outputs(findings, img_size)


class _Parts(NamedTuple):
    """A backbone, and what ``build`` needs to know of it."""

    features: Features
    rescale: Rescale | None
    options: dict[str, Any]
    """Arguments of ``build`` that give this backbone again."""
    xray_weights: str = ""
    """Name of torchxrayvision's weights that are to be loaded; empty if there are none."""


def _network(name: str, pretrained: bool | str) -> _Parts:
    """Build a backbone of Locus or timm."""
    name, weights = weight_files.resolve(name, pretrained)
    plain, colon, given = name.partition(":")
    word = resolve(plain)
    rescale, stride = construct(_options, "backbone", name, {})
    if stride is not None:
        features = extractors.finer(word, weights is True, stride)
    elif backbones.has_class_token(name):
        features = class_token.build(word, weights is True)
    else:
        features = extractors.build(word, weights is True)
    return _Parts(
        features=features,
        rescale=rescale,
        options={"name": word + colon + given},
        xray_weights=weights if isinstance(weights, str) else "",
    )


def _encoder(name: str, pretrained: bool | str, architecture: Mapping[str, Any] | None) -> _Parts:
    """Build an encoder of transformers."""
    if isinstance(pretrained, str):
        raise BadValueError(f"--pretrained {pretrained} does not fit {name}: use True or False")
    encoder = encoders.build(name.removeprefix(backbones.ENCODER), pretrained, architecture)
    return _Parts(
        features=encoder.features,
        rescale=encoder.rescale,
        options={"name": name, "architecture": encoder.architecture},
    )


def _options(
    mean: float | None = None,
    std: float | None = None,
    stride: int | None = None,
    class_token: bool = False,
) -> tuple[Rescale | None, int | None]:
    """Return the conversion of grey values and the stride that the options of a backbone set; None if they set none.

    The option ``class_token`` is read by ``locus.backbones.has_class_token``.
    """
    greys = {name: value for name, value in {"mean": mean, "std": std}.items() if value is not None}
    return Rescale(**greys) if greys else None, stride


def require_weights(name: str, pretrained: bool | str) -> None:
    """Raise ``NotAvailableError`` if requested weights are neither on disk nor downloadable."""
    if backbones.is_encoder(name):
        encoders.library(name)
        return
    name, weights = weight_files.resolve(name, pretrained)
    if isinstance(weights, str):
        weight_files.require(weights)
    word = resolve(name.partition(":")[0])
    if weights is not True:
        return
    import timm  # slow import, only needed for its weights

    if timm.is_model(word):
        require(word)


def resolve(name: str) -> str:
    """Return the canonical name of a listed backbone or of a timm network.

    A name of timm may have a weight tag (``resnet101.a1_in1k``). Raises ``UnknownNameError`` with the nearest names.
    """
    word = backbones.canonical(name)
    if word not in backbones.BACKBONE_NAMES:
        import timm  # slow import, only if the name is not listed

        if not timm.is_model(word):
            raise backbones.unknown(name, timm.list_models())
    return word
