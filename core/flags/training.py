"""Flags of a training: its recipe, what it writes, and the search for better flags."""

from dataclasses import dataclass
from typing import Annotated, Literal

from core.cli import AtLeast, AtMost, Named
from core.errors import BadValueError


@dataclass(frozen=True)
class RecipeFlags:
    """Recipe."""

    multi_label: bool = True
    """True: a sigmoid per finding; False: abnormality with one class, softmax with more."""
    loss: Annotated[str, Named("benchmark.training.losses", "loss")] = "bce"
    """What is minimised, options in the word (focal:gamma=2); labels that are unknown count nowhere."""
    weighted_loss: bool = False
    """The same as --loss weighted_bce."""
    optimizer: Literal["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta"] = "Adam"
    """Optimizer, as in torch.optim."""
    lr: Annotated[float, AtLeast(0)] = 1e-4
    """Learning rate; the peak of --scheduler onecycle."""
    momentum: Annotated[float, AtLeast(0)] = 0.9
    """Momentum of SGD and RMSprop."""
    weight_decay: Annotated[float | None, AtLeast(0)] = None
    """Weight decay; null is the optimizer's own (.01 for AdamW, 0 for the others)."""
    amsgrad: bool = False
    """The AMSGrad variant of Adam and AdamW."""
    scheduler: Literal["none", "step", "cosine", "plateau", "onecycle"] = "none"
    """Course of the learning rate: step is a tenth every 3 epochs, plateau a tenth after 2 epochs without a better
    validation loss."""
    step_epochs: Annotated[int, AtLeast(1)] = 3
    """Epochs between two steps of --scheduler step."""
    epochs: Annotated[int, AtLeast(1)] = 10
    """How often the training images are seen."""
    batch_size: int | str = 32
    """Images per step and device; auto is the largest power of two that the memory holds, printed and saved with the
    run's flags."""
    accumulate: Annotated[int, AtLeast(1)] = 1
    """Batches whose gradients make one step together: 2 of 16 images learn as 1 of 32 does, in half the memory."""
    sampler: Literal["none", "weighted"] = "none"
    """weighted draws images anew in every epoch, so that each class is seen equally often; an image's class is its
    rarest finding."""
    ema: Annotated[float, AtLeast(0), AtMost(0.99999)] = 0.0
    """Decay per step of a moving average of the weights, which is what is evaluated and kept in best.ckpt; 0 is
    none."""
    gradient_clip: Annotated[float, AtLeast(0)] = 0.0
    """Largest norm of the gradient; 0 is no limit."""
    augment: str = "none"
    """Random changes of the training images, options in the word (light:rotation=10): none, flip, light,
    affine_contrast, siim, jf."""
    preprocess: Literal["none", "jf"] = "none"
    """jf: histogram equalisation, blur and gray padding to a square, as jfhealthcare/Chexpert reads images; none: plain
    resize."""
    early_stopping: Annotated[bool | int, AtLeast(0)] = False
    """Stop after so many epochs without a better validation score; True is 5, False never."""
    keep: Literal["best", "last"] = "best"
    """Whose weights are evaluated and kept in best.ckpt: those of the epoch with the best validation score, or of the
    last one."""
    seed: Annotated[int, AtLeast(0), AtMost(2**32 - 1)] = 0
    """Seed of the weights, the order of images, the augmentation and the dropout."""

    def __post_init__(self) -> None:
        """Raises ``BadValueError`` for a batch size that is no number of images and not auto."""
        if self.batch_size != "auto" and (not isinstance(self.batch_size, int) or self.batch_size < 1):
            raise BadValueError(f"bad value {self.batch_size!r} of --batch_size: write 1 or more, or auto")

    @property
    def batch(self) -> int:
        """The number of ``batch_size``: a training puts one in the place of ``auto`` before it counts batches."""
        if isinstance(self.batch_size, str):
            raise BadValueError("--batch_size auto has no number before a training has chosen one: write a number here")
        return self.batch_size

    def exclusive(self, findings: int) -> bool:
        """Whether an image has exactly one of so many ``findings`` (softmax), not any number (a sigmoid each)."""
        return not self.multi_label and findings > 1


@dataclass(frozen=True)
class OutputFlags:
    """Output."""

    model_save_dir: str = "runs/train"
    """Folder in which each run gets its own folder."""
    log_dir: str = "runs/logs"
    """Folder of TensorBoard events, of what wandb and mlflow keep here, and of log files."""
    logger: tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...] = ("csv", "tensorboard")
    """Where the curves go: metrics.csv in the run's folder (always there), TensorBoard events, Weights & Biases,
    MLflow."""
    plots: bool = True
    """Draw the finished run: curves.png, roc.png, precision_recall.png, calibration.png, confusion.png."""
    heat_maps: bool = True
    """Show heat maps of a few validation images in TensorBoard after each epoch, beside the curves."""
    logtofile: bool = False
    """Also write the log to <log_dir>/<run>.log."""
    resume: bool | str = False
    """Go on with a run: True is the newest unfinished run of the same flags, or give the path of a last.ckpt or run
    folder."""
    threshold_choice: Literal["youden", "f1", "fixed"] = "youden"
    """What makes a finding present: the threshold with the largest TPR − FPR or F1 on the validation images, or a
    probability of .5."""
    evaluate: str | None = None
    """Train nothing: evaluate the best.ckpt of this finished or converted run, and write its metrics, predictions and
    pictures anew."""


@dataclass(frozen=True)
class SearchFlags:
    """Search."""

    search: str | None = None
    """YAML file of a search (configs/search.yaml): Optuna tries values of any flags; the flags typed beside it hold for
    all trials."""
    search_storage: str | None = None
    """SQLite file (or SQLAlchemy's URL) of its trials, which a search that was killed goes on with; null is the one
    that the YAML says."""
