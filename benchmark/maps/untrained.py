"""The baseline ``untrained``: a method's maps of the same network with random weights."""

import torch

import backbones
from backbones import Classifier, build_from_config
from benchmark.maps.trained import TrainingRun, convert_run
from benchmark.training import load
from benchmark.training.pooling import pooling
from core.errors import NotAvailableError
from core.names import UNTRAINED

OTHER = 1_000_000
"""Added to a training run's seed: the same seed would give the initial weights of the run, which it may still
resemble."""
METHOD = "gradcam"
"""Method that explains it: one that supports every network and pooling."""


class Untrained(TrainingRun):
    """The network of a training run with other random weights than its initial ones, for the same images.

    Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: whatever such a map shows was not learned.
    """

    @property
    def digest(self) -> str:
        """Identifies the weights by their seed."""
        return f"{UNTRAINED}, seed {self.config.seed + OTHER}"

    def model(self, device: str) -> Classifier:
        """Return the architecture of the training flags with random weights."""
        c = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed + OTHER)
            if self.finished is not None:
                model = build_from_config.rebuild(load.checkpoint(self.checkpoint).stamp["model"], str(self.checkpoint))
            else:
                words = pooling(c), c.attention_map
                model = backbones.build(c.backbone, len(self.data.findings), *words, pretrained=False)
        return model.to(device).eval()


def of(run: TrainingRun) -> Untrained:
    """Return the untrained network of ``run``. Raises ``NotAvailableError`` if its initialisation is unknown.

    Its seed differs from the training run's, so that the weights are not the run's initial ones.
    """
    if run.finished is not None and run.finished.network:
        raise NotAvailableError(f"how {run.finished.network} begins before it is trained is not known here")
    return convert_run(run, Untrained)
