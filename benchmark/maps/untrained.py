"""The baseline ``untrained``: a method's maps of the same network with random weights."""

import torch

import backbones
from backbones import Classifier, build_from_config
from benchmark.maps.trained import TrainingRun, convert_run
from benchmark.training import load
from core.errors import NotAvailableError
from core.names import UNTRAINED

OTHER = 1_000_000
"""Added to a training run's seed, so that the weights differ from the run's initial weights."""
METHOD = "gradcam"
"""Method that explains the untrained network; it supports every network and pooling."""


class Untrained(TrainingRun):
    """The network of a training run with other random weights than its initial ones, for the same images.

    Its maps show nothing that was learned: Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
    """

    @property
    def digest(self) -> str:
        """Description of the weights by their seed."""
        return f"{UNTRAINED}, seed {self.config.seed + OTHER}"

    def model(self, device: str) -> Classifier:
        """Return the architecture of the training flags with random weights."""
        c = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed + OTHER)
            if self.finished is not None:
                model = build_from_config.rebuild(load.checkpoint(self.checkpoint).stamp["model"], str(self.checkpoint))
            else:
                words = c.pooling, c.attention_map
                model = backbones.build(c.backbone, len(self.data.findings), *words, pretrained=False)
        return model.to(device).eval()


def of(run: TrainingRun) -> Untrained:
    """Return the untrained network of ``run``. Raises ``NotAvailableError`` if its initialisation is unknown."""
    if run.finished is not None and run.finished.network:
        raise NotAvailableError(f"the initial weights of the network {run.finished.network} are unknown")
    return convert_run(run, Untrained)
