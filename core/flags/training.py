"""Flags of a training run: recipe, output and hyperparameter search."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast, AtMost, Named
from core.flags import MAPS, MODE, NEWER, OUTPUT, WEIGHTS

LOSSES = ("batch_pos_weight", "bce", "ce", "focal", "frequency", "pos_weight", "weighted_bce")


@dataclass(frozen=True)
class RecipeFlags:
    """Recipe."""

    role = WEIGHTS
    multi_label: Annotated[bool, WEIGHTS | MAPS] = True
    """True: an image may have several findings (one sigmoid each). False: an image has exactly one (softmax) or,
    with --num_classes 1, is normal or abnormal."""
    loss: Annotated[str, Named("loss", LOSSES)] = "bce"
    """Loss function: bce (binary cross-entropy); ce (softmax; requires --multi_label False and at least two findings);
    focal (little weight for confident correct predictions); pos_weight (positives of a finding weighted by negatives /
    positives in training); batch_pos_weight (the same, per batch); weighted_bce (equal weight for all positives and all
    negatives of the batch); frequency (positives of a finding weighted by its share of negatives in training, negatives
    by its share of positives). Append options to the name (focal:gamma=2). Unknown labels are ignored."""
    weighted_loss: bool = False
    """Same as --loss weighted_bce."""
    optimizer: Literal["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta"] = "Adam"
    """Optimizer, as in torch.optim."""
    lr: Annotated[float, AtLeast(0)] = 1e-4
    """Learning rate; with --scheduler onecycle, its maximum."""
    momentum: Annotated[float, AtLeast(0)] = 0.9
    """Momentum of SGD and RMSprop."""
    weight_decay: Annotated[float | None, AtLeast(0)] = None
    """Weight decay. Default: 0.01 for AdamW, 0 for the other optimizers."""
    amsgrad: bool = False
    """Use the AMSGrad variant of Adam and AdamW."""
    scheduler: Literal["none", "step", "cosine", "plateau", "onecycle"] = "none"
    """Learning rate schedule. step divides the rate by 10 every --step_epochs epochs; plateau divides it by 10 after 2
    epochs without a lower validation loss."""
    step_epochs: Annotated[int, AtLeast(1), WEIGHTS | NEWER] = 3
    """Epochs between two steps of --scheduler step."""
    epochs: Annotated[int, AtLeast(1)] = 10
    """Number of passes over the training images."""
    batch_size: Annotated[int, AtLeast(1)] = 32
    """Batch size per device."""
    accumulate: Annotated[int, AtLeast(1), WEIGHTS | NEWER] = 1
    """Number of batches per optimizer step (gradient accumulation). 2 batches of 16 images equal one of 32, with
    half the memory, if the loss is a mean over known labels and the network has no batch norm."""
    sampler: Annotated[Literal["none", "weighted"], WEIGHTS | NEWER] = "none"
    """Sampling of the training images. weighted draws each class equally often; the class of an image is its rarest
    finding."""
    ema: Annotated[float, AtLeast(0), AtMost(0.99999), WEIGHTS | NEWER] = 0.0
    """Keep a moving average of the weights, with this decay per optimizer step. The averaged weights are
    evaluated and saved in best.ckpt. 0 means off."""
    gradient_clip: Annotated[float, AtLeast(0)] = 0.0
    """Maximum norm of the gradient. 0 means no limit."""
    augment: str = "none"
    """Random augmentation of the training images, up to the amounts given here in either direction: none; flip
    (left-right); light (rotation 5°, scale .05, translation .03, flip); affine_contrast (rotation 10°, scale .15,
    translation .08, contrast .3, brightness .1); siim (rotation 11.355°, scale .2789, shear 1°, translation .07357); jf
    (rotation 15°, scale .05, translation .05, grey outside the image). Append options to the name
    (light:rotation=10)."""
    preprocess: Annotated[Literal["none", "jf"], WEIGHTS | MAPS | NEWER] = "none"
    """Preprocessing before images are resized. jf equalises the histogram, blurs, and pads to a square with grey, as in
    jfhealthcare/Chexpert."""
    early_stopping: Annotated[bool | int, AtLeast(0)] = False
    """Stop after this number of epochs without a better validation score. True means 5; False turns it off."""
    keep: Annotated[Literal["best", "last"], WEIGHTS | NEWER] = "best"
    """Weights to evaluate and save in best.ckpt: those of the epoch with the best validation score, or of the last
    epoch."""
    seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed for weights, image order, augmentation and dropout."""

    def exclusive(self, findings: int) -> bool:
        """Return whether each image has exactly one of the ``findings`` (softmax) instead of any number (sigmoids)."""
        return not self.multi_label and findings > 1


@dataclass(frozen=True)
class OutputFlags:
    """Output."""

    role = OUTPUT
    model_save_dir: str = "runs/train"
    """Folder of the runs. Each run gets a subfolder."""
    log_dir: str = "runs/logs"
    """Folder for TensorBoard events, local files of wandb, and log files."""
    logger: tuple[Literal["csv", "tensorboard", "wandb"], ...] = ("csv", "tensorboard")
    """Loggers: csv (metrics.csv in the run folder, always written), tensorboard, wandb."""
    plots: bool = True
    """Plot the results of the run: curves.png, roc.png, precision_recall.png, calibration.png, confusion.png."""
    logtofile: bool = False
    """Also write the log to <log_dir>/<run>.log."""
    resume: Annotated[bool | str, MODE] = False
    """Run to resume: the path of a last.ckpt or a run folder, or True for the newest unfinished run with the same
    flags."""
    threshold_choice: Literal["youden", "f1", "fixed"] = "youden"
    """Probability threshold for a positive prediction. youden maximises TPR − FPR and f1 maximises F1 on the validation
    images; fixed is 0.5."""
    evaluate: Annotated[str | None, MODE] = None
    """Finished run, or run written by benchmark.convert, to evaluate again. Its metrics, predictions and plots are
    rewritten; nothing is trained."""


@dataclass(frozen=True)
class SearchFlags:
    """Search."""

    role = MODE
    search: str | None = None
    """YAML file that defines a hyperparameter search with Optuna (configs/search.yaml). Other flags on the command line
    apply to all trials."""
    search_storage: str | None = None
    """SQLite file or SQLAlchemy URL that stores the trials, so that a search can be resumed. Default: the value in the
    YAML file."""
