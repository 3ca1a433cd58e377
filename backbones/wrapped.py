"""Anyone's network as a Classifier, without a change to it."""

import difflib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from backbones import probe
from backbones.classifier import Classifier
from backbones.head import Head
from backbones.pooling.avg import AVG
from core.errors import NotAvailableError, UnknownNameError
from core.frames import Grid

Step = Callable[[Tensor], Tensor]
Locate = Callable[[tuple[int, int]], Grid]


def wrap(
    module: nn.Module,
    features: str | Step,
    head: str | Step,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Locate | None = None,
) -> Classifier:
    """``module`` as a :class:`Classifier` whose A is ``features(images)`` and whose logits are ``head(A)``.

    ``features``: a callable (N,channels,H,W) -> (N,C,h,w), or the dotted name of a submodule, whose output is A; the
    network runs up to there and no further. ``head``: a callable (N,C,h,w) -> (N,K) logits, or the dotted name of a
    submodule that does that; the name of an ``nn.Linear`` means: mean over positions, then this layer, and then
    ``class_maps``, ``weight`` and ``bias`` exist. ``channels`` of the images default to the first convolution's. The
    grid is probed with gradients (:mod:`backbones.probe`) unless ``grid`` gives it.

    A must stand behind the last non-linearity. torchvision's and torchxrayvision's DenseNet rectify behind their
    ``features``, so the dotted name would give another map; a callable gives the right one::

        net = torchxrayvision.models.DenseNet(weights=None)
        model = wrap(net, features=lambda x: net.features(x).relu(), head="classifier")

    Raises ``UnknownNameError`` for a name that is no submodule.
    """
    extractor = Extractor(module, features)
    channels = channels or _channels(module)
    locate = grid or (lambda size: probe.grid(module, extractor, size, channels))
    return Classifier(extractor, _head(module, head, num_classes), channels=channels, locate=locate)


class Extractor(nn.Module):
    """The part of a foreign network that ends in A."""

    def __init__(self, module: nn.Module, features: str | Step) -> None:
        super().__init__()
        self.module = module
        self.take: Step = _until(module, features) if isinstance(features, str) else features

    def forward(self, images: Tensor) -> Tensor:
        """(N,channels,H,W) -> (N,C,h,w)."""
        return self.take(images)


class ForeignHead(nn.Module):
    """A head of unknown inside: logits, but no class maps."""

    word = ""

    def __init__(self, head: Step, num_classes: int | None) -> None:
        super().__init__()
        self.head, self.num_classes = head, num_classes

    def forward(self, A: Tensor) -> Tensor:
        """(N,C,h,w) -> (N,K) logits."""
        return self.head(A)

    def class_maps(self, A: Tensor) -> Tensor:
        """Not known: raises ``NotAvailableError``."""
        raise _closed()

    @property
    def weight(self) -> Tensor:
        """Not known: raises ``NotAvailableError``."""
        raise _closed()

    @property
    def bias(self) -> Tensor:
        """Not known: raises ``NotAvailableError``."""
        raise _closed()


class _ReachedError(Exception):
    """Carries A out of a network that need not run further."""

    def __init__(self, A: Tensor) -> None:
        super().__init__()
        self.A = A


def _until(module: nn.Module, name: str) -> Step:
    part = _submodule(module, name)

    def stop(part: nn.Module, inputs: Any, A: Tensor) -> None:
        raise _ReachedError(A)

    def run(images: Tensor) -> Tensor:
        hook = part.register_forward_hook(stop)
        try:
            module(images)
        except _ReachedError as reached:
            return reached.A
        finally:
            hook.remove()
        raise NotAvailableError(f"the submodule {name!r} takes no part in the network's forward pass: name another one as features")

    return run


def _head(module: nn.Module, head: str | Step, num_classes: int | None) -> Any:
    step: Any = _submodule(module, head) if isinstance(head, str) else head
    return Head(AVG(), step) if isinstance(step, nn.Linear) else ForeignHead(step, num_classes)


def _submodule(module: nn.Module, name: str) -> nn.Module:
    parts = dict(module.named_modules())
    if name not in parts:
        near = difflib.get_close_matches(name, parts, n=5)
        raise UnknownNameError("submodule", name, dict.fromkeys([*near, *dict(module.named_children())]))
    return parts[name]


def _channels(module: nn.Module) -> int:
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels


def _closed() -> NotAvailableError:
    return NotAvailableError(
        "this wrapped head is a callable whose weights are not known: name its nn.Linear as head, or use a method of gradients"
    )
