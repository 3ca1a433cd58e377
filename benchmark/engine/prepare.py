"""Puts a model into the memory format and compilation that the flags ask for."""

from typing import TYPE_CHECKING

import torch

from config import EngineFlags

if TYPE_CHECKING:
    from backbones import Classifier


def prepare(model: "Classifier", flags: EngineFlags) -> "Classifier":
    """``model`` itself, its features compiled and its weights laid out by channels where ``flags`` say so."""
    if flags.channels_last:
        model.to(memory_format=torch.channels_last)
    if flags.compile:
        model.extractor.compile()
    return model
