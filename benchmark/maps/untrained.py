"""The baseline ``untrained``: what a method shows of the same network before it has learned anything."""

import torch

import backbones
from backbones import Classifier, build_from_config
from benchmark.maps.trained import TrainingRun, convert_run
from benchmark.training import checkpoints
from benchmark.training.pooling import pooling
from core.errors import NotAvailableError
from core.names import UNTRAINED

OTHER = 1_000_000
"""Added to a training's seed: with its own, one would draw the very weights that the training began with and may still
resemble."""
METHOD = "gradcam"
"""What explains it: a method that has an answer for every network and pooling."""


class Untrained(TrainingRun):
    """The network of a training with random weights other than its first ones, for the same images.

    Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: what such a map already shows, training did not
    teach.
    """

    @property
    def digest(self) -> str:
        """Says which weights: those of the seed, none of a file."""
        return f"{UNTRAINED}, seed {self.config.seed + OTHER}"

    def model(self, device: str) -> Classifier:
        """The architecture of the training's flags, its weights drawn anew."""
        c = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed + OTHER)
            if self.finished is not None:
                model = build_from_config.rebuild(checkpoints.network_arguments(self.checkpoint), str(self.checkpoint))
            else:
                words = pooling(c), c.attention_map
                model = backbones.build(c.backbone, len(self.data.findings), *words, pretrained=False)
        return model.to(device).eval()


def of(run: TrainingRun) -> Untrained:
    """The network of ``run`` untrained. Raises ``NotAvailableError`` where nobody can say how it begins.

    Its seed is another than the training's, so that it is not where that one began.
    """
    if run.finished is not None and run.finished.network:
        raise NotAvailableError(f"how {run.finished.network} begins before it is trained is not known here")
    return convert_run(run, Untrained)
