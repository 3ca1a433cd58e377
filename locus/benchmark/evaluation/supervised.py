"""The reference rows ``supervised``: the same network after fine-tuning on boxes of other patients.

A method's score thresholds use the boxes of four fifths of the patients. These rows show what the same boxes give as
few-shot supervision, which Choe et al., "Evaluating weakly supervised object localization methods right", CVPR 2020,
ask of weakly supervised localization. For each fold of patients, the network is fine-tuned on boxes of the other folds
and explains the images of this fold with a map per finding. The fold's thresholds are chosen on the same boxes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from locus import backbones
from locus.backbones import Classifier
from locus.benchmark.maps.runs import ModelRun
from locus.benchmark.records import Cell
from locus.core.errors import NotAvailableError
from locus.core.files import atomic
from locus.core.frames import box_coverage
from locus.core.registry import options
from locus.core.types import Sample, generator, patient_folds
from locus.datasets.io import transforms
from locus.scoring.protocols.base import Case, make_case

FOLDS = 5
FROZEN_STAGES = 3
"""Number of stages of the small CNN whose weights stay; its batch normalisation keeps its statistics, too."""
EPOCHS, BATCH, RATE, DECAY = 10, 16, 1e-3, 0.01
"""Epochs of AdamW, images per step, learning rate at the peak of one cycle, and weight decay."""
AUGMENT = "affine_contrast:flip=True"
MASK_SIDE = 32
"""Positions along each side of a truth map, before it is averaged to the positions of the network."""
FOLDER = "supervised"
"""Folder of the fine-tuned weights, in that of the training runs and in that of the published weights."""
Cases = NDArray[np.bool_]
"""(N,K) some of the cases: images and findings."""


@dataclass(frozen=True, eq=False)
class Supervised:
    """The cases of a row ``supervised``, by a network that is fine-tuned once for each fold of patients."""

    word: str
    """Name of the row, with the option ``boxes``: the number of cases per finding; without it, all."""
    trained: Sequence[ModelRun]
    """The training runs of the network: one, or one per fold, which is then that of its held-out images."""
    groups: Mapping[str, dict[tuple[str, str], str]]
    """Variable -> (image, finding) -> group of the case."""

    @cached_property
    def samples(self) -> list[Sample]:
        """The N images with boxes."""
        return [sample for run in self.trained for sample in run.scorable_images]

    @property
    def findings(self) -> tuple[str, ...]:
        """The K findings."""
        return self.trained[0].data.findings

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        """(N,) fold of each image: the training run that did not see it, or a seeded fold of its patient."""
        if len(self.trained) > 1:
            return np.repeat(
                np.arange(len(self.trained)), [len(run.scorable_images) for run in self.trained]
            )
        return patient_folds(
            [sample.patient_id for sample in self.samples], FOLDS, self.trained[0].config.data_seed
        )

    @cached_property
    def boxed(self) -> Cases:
        """(N,K) the cases with a truth box."""
        return np.array(
            [[finding in sample.boxes for finding in self.findings] for sample in self.samples]
        )

    def taught(self, fold: int) -> Cases:
        """Return the cases (N,K) on whose boxes the network of ``fold`` is fine-tuned: all of them in other folds.

        With the option ``boxes``, that many cases of each finding are drawn with the seed of the training run.
        """
        cases = self.boxed & (self.folds != fold)[:, None]
        most = options(self.word).get("boxes")
        if most is None:
            return cases
        random, few = (
            generator(self.trained[0].config.seed, "few boxes", fold),
            np.zeros_like(cases),
        )
        for k in range(len(self.findings)):
            few[random.permutation(np.flatnonzero(cases[:, k]))[:most], k] = True
        return few

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases with a truth box. Raises ``NotAvailableError`` for a network whose stages are unknown."""
        return self._explained[0]

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of each fold are chosen: those of its fine-tuning."""
        return self._explained[1]

    @cached_property
    def _explained(self) -> tuple[list[Case], list[Case]]:
        """Scored cases, in the order of the images, and those of the fine-tuning, each with the maps of its fold.

        Fine-tuned weights are stored beside the training runs and used again for the same network, images and recipe.
        """
        scored, chosen_on = dict[tuple[int, int], Case](), list[Case]()
        for fold in np.unique(self.folds).tolist():
            held, taught = self.boxed & (self.folds == fold)[:, None], self.taught(fold)
            model = self._network(fold, taught, self.folds == fold)
            grid, rows = model.grid(self._size), np.flatnonzero((held | taught).any(1))
            maps = dict(zip(rows.tolist(), predict(model, self.pixels[rows]), strict=True))
            made = {
                (n, k): make_case(
                    self.samples[n], self.findings[k], 1.0, maps[n][k], grid, training=fold
                )
                for n, k in np.argwhere(held | taught).tolist()
            }
            scored |= {pair: case for pair, case in made.items() if held[pair]}
            chosen_on += [case for pair, case in made.items() if taught[pair]]
        return [scored[pair] for pair in sorted(scored)], chosen_on

    @cached_property
    def pixels(self) -> Tensor:
        """(N,S,S) pixels of the images."""
        return torch.from_numpy(np.concatenate([run.pixels for run in self.trained]))

    @property
    def _size(self) -> tuple[int, int]:
        return self.trained[0].config.img_size, self.trained[0].config.img_size

    def _network(self, fold: int, taught: Cases, held: NDArray[np.bool_]) -> Classifier:
        """Return the network of a fold: fine-tuned, or with the stored weights of the same fine-tuning."""
        run = self.trained[fold if len(self.trained) > 1 else 0]
        model, file = run.model("cpu"), run.folder.parent / FOLDER / self.file_name(fold)
        if run.config.backbone != "custom":
            raise NotAvailableError(
                f"{self.word} fine-tunes the last stage of the small CNN, not {run.config.backbone}"
            )
        about = {
            "network": run.digest,
            "recipe": [FROZEN_STAGES, EPOCHS, BATCH, RATE, DECAY, AUGMENT, MASK_SIDE],
            "taught": [
                [self.samples[n].image_id, self.findings[k]]
                for n, k in np.argwhere(taught).tolist()
            ],
            "held out": [self.samples[n].image_id for n in np.flatnonzero(held).tolist()],
        }
        parts = tuned_parts(model)
        if not file.is_file() or backbones.described(file) != about:
            rows = np.flatnonzero(taught.any(1))
            truth, used = (
                np.stack([self._truth(self.samples[n]) for n in rows]),
                torch.from_numpy(taught[rows]),
            )
            fine_tune(model, self.pixels[rows], torch.from_numpy(truth), used, run.config.seed)
            with atomic(file) as temporary:
                state = {name: weight.half().contiguous() for name, weight in parts.items()}
                safetensors.torch.save_file(
                    state, temporary, {backbones.METADATA: json.dumps(about)}
                )
        stored = safetensors.torch.load_file(file)
        model.load_state_dict(
            {name: weight.float() for name, weight in stored.items()}, strict=False
        )
        return model

    def file_name(self, fold: int) -> str:
        """Return the name of the file of a fold's weights."""
        config, word = self.trained[0].config, self.word.replace(":", "-")
        return f"{config.backbone}-{config.global_pool}-seed{config.seed}-{word}-fold{fold}{backbones.SUFFIX}"

    def _truth(self, sample: Sample) -> NDArray[np.float32]:
        """Return (K,S,S) the share of each position that the boxes cover."""
        shares = [
            box_coverage(sample.boxes.get(name, ()), sample.frame, (MASK_SIDE, MASK_SIDE))
            for name in self.findings
        ]
        return np.stack(shares).astype(np.float32)


def tuned_parts(model: Classifier) -> dict[str, Tensor]:
    """Return name -> weight, of the weights that are fine-tuned: of the last stage and the head."""
    fixed = tuple(f"extractor.{number}." for number in range(FROZEN_STAGES))
    return {name: weight for name, weight in model.named_parameters() if not name.startswith(fixed)}


def fine_tune(model: Classifier, pixels: Tensor, truth: Tensor, taught: Tensor, seed: int) -> None:
    """Fine-tune ``model`` in place, so that the score of each position shows whether a box covers it.

    Args:
        model: the network.
        pixels: (n,S,S) uint8 images.
        truth: (n,K,S,S) share of each pixel that a box covers, in [0,1].
        taught: (n,K) bool: the cases with a box to use.
        seed: seed of the order of images.
    """
    random = torch.Generator().manual_seed(seed)
    weights = [weight.requires_grad_() for weight in tuned_parts(model).values()]
    optimizer = torch.optim.AdamW(weights, RATE, weight_decay=DECAY)
    batches = [
        rows
        for _ in range(EPOCHS)
        for rows in torch.randperm(len(pixels), generator=random).split(BATCH)
    ]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=len(batches))
    model.to(memory_format=torch.channels_last)
    for batch in batches:
        images, masks = transforms.training_with_masks(pixels[batch], truth[batch], AUGMENT, random)
        loss = box_loss(scores(model, images), masks, taught[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 5)
        optimizer.step()
        schedule.step()


def scores(model: Classifier, images: Tensor) -> Tensor:
    """Return the logit (N,K,h,w) of each position alone."""
    return model.class_maps(model.features(images)) + model.bias[:, None, None]


def box_loss(logits: Tensor, masks: Tensor, taught: Tensor) -> Tensor:
    """Return the mean over cases of cross-entropy per position plus the Dice loss of the map.

    ``logits`` (n,K,h,w), ``masks`` (n,K,H,W) in [0,1], ``taught`` (n,K). Dice: Milletari et al., 3DV 2016.
    """
    truth = functional.adaptive_avg_pool2d(masks, (logits.shape[-2], logits.shape[-1]))[taught]
    values, logits = logits[taught].sigmoid(), logits[taught]
    shared, total = (values * truth).sum((-2, -1)), (values + truth).sum((-2, -1))
    dice = 1 - (2 * shared + 1) / (total + 1)
    return functional.binary_cross_entropy_with_logits(logits, truth) + dice.mean()


@torch.inference_mode()
def predict(model: Classifier, pixels: Tensor) -> NDArray[np.float32]:
    """Return the maps (n,K,h,w) in [0,1] of images (n,S,S)."""
    batches = (
        scores(model, transforms.evaluation()(batch)).sigmoid() for batch in pixels.split(64)
    )
    return torch.cat([*batches]).numpy()
