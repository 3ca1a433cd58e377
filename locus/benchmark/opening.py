"""Open a network: a run folder, a checkpoint, a file of weights, a user's file, or a name in another package.

``load``        the classifier of a run folder, a checkpoint, or a network of the package (``demo-pcam``)
``build``       an external network (``--model net.py:build``, ``timm:NAME``, ``torchvision:``, ``xrv:``, ``hf:``)
``checkpoint``  what a checkpoint says: flags, findings, training images (``Checkpoint``)
``read``        the same as a row of a suite (``ExternalModel``)

Weights are read by ``locus.backbones.weight_files``; layers are found and checked by ``locus.backbones.wrapping``.
"""

import difflib
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from locus import backbones, datasets
from locus.backbones import Classifier, encoders, grids, layers, weight_files
from locus.backbones.classifier import normalised
from locus.backbones.find_head import observe, read_spec
from locus.backbones.layers import ModelSpec
from locus.backbones.wrapping import channels_of, connect, wire
from locus.config import DATA, MACHINE, MAPS, NetworkFlags, TrainConfig, flags_with
from locus.core import errors, user_code
from locus.core.errors import (
    BadValueError,
    DataError,
    LocusError,
    UnknownNameError,
    one_line,
)
from locus.core.files import file_hash, json_hash
from locus.core.names import duplicates
from locus.core.types import GRAY_MEAN, GRAY_STD, IMAGENET_MEAN, IMAGENET_STD
from locus.datasets.io.tables import read_list
from locus.datasets.leaks import TrainingImages
from locus.flags import cli

log = logging.getLogger(__name__)
DEFAULT_IMAGE_SIDE = 224
"""Side of the images in pixels, if nothing else is known."""
OPTIONS_OF_A_NETWORK = {"outputs", "channels", "mean", "std", "architecture", "code"}
"""Build options that a file has of a network that is not Locus's own, beside its name and its wiring."""
Numbers = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of a checkpoint. All but ``weights`` raise ``DataError`` for a file that was not written by a run."""

    path: Path
    """The file, or the run folder that was given."""
    content: dict[str, Any]

    @cached_property
    def stamp(self) -> dict[str, Any]:
        """Metadata: see ``locus.benchmark.training.runs.stamp``."""
        stamped: Any = self.content.get("locus")
        if not _is_stamp(stamped):
            raise DataError(
                f"{self.path} was not written by main.py: use --model net.py:build --weights {self.path}"
            )
        names = stamped["findings"]
        all_text = all(isinstance(name, str) for name in names)
        if not all_text or not _is_whole(stamped["model"], len(names)):
            raise DataError(
                f"{self.path} has an incomplete description of its network: run the training again"
            )
        return cast("dict[str, Any]", stamped)

    @cached_property
    def config(self) -> TrainConfig:
        """The training flags; flags that no longer exist are ignored."""
        names = {flag.name for flag in fields(TrainConfig)}
        return cli.build(
            TrainConfig,
            {name: value for name, value in self.stamp["config"].items() if name in names},
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the outputs, in the order of the logits."""
        return tuple(self.stamp["findings"])

    @property
    def trained_on(self) -> str:
        """The training data: as declared, else the data set of the run; empty if unknown.

        External networks have no history, and the data set in their flags is only a default.
        """
        declared = str(self.stamp.get("trained_on") or "")
        return declared or (self.config.dataset if self.content.get("history") else "")

    @cached_property
    def training_images(self) -> TrainingImages | None:
        """The training images, also of the initial weights; None if they are unknown.

        Generated images are no user's images: a run of older code on a data set without files has none.
        """
        stamped = self.content.get("locus")
        if not isinstance(stamped, dict):
            return None  # a file of another project
        if "training_images" in stamped:
            try:
                return TrainingImages.unpacked(stamped["training_images"])
            except (LookupError, TypeError, ValueError) as error:
                raise DataError(
                    f"{self.path} has a damaged list of training images: use another file"
                ) from error
        generated = bool(self.content.get("history")) and not datasets.needs_folder(
            self.config.dataset
        )
        return TrainingImages() if generated else None

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """The weights, of this project or another tool, without Lightning's prefix."""
        return weight_files.extract_weights(self.content)

    @cached_property
    def digest(self) -> str:
        """Digest of the weights; for an external network also of its layers and its preprocessing."""
        model = self.content.get("locus", {}).get("model") or {}
        if "network" not in model:
            return weight_files.digest(self.weights)
        steps = self.config.preprocess
        return json_hash(
            [weight_files.digest(self.weights), model, *([] if steps == "none" else [steps])]
        )

    def network(self, trust: bool = False) -> Classifier:
        """Build the classifier with its weights, in evaluation mode on the CPU.

        ``trust``: whether a Python file that it names may be executed. Raises ``BadValueError`` if this is required but
        not allowed, and ``DataError`` if the weights contradict the metadata.
        """
        try:
            model = rebuild(self.stamp["model"], str(self.path), trust)
        except weight_files.BROKEN_FILE_ERRORS as error:
            raise DataError(
                f"the network of {self.path} cannot be built: {one_line(error)}"
            ) from error
        weight_files.load(model, self.weights, self.path)
        model.train_config = self.config
        model.training_images = self.training_images
        return model.set_outputs(self.findings, self.config.img_size).eval()

    def __str__(self) -> str:
        names = errors.examples(self.findings, 20)
        data = self.trained_on or "unknown data"
        size = self.config.img_size
        return f"{self.path}: {self.config.backbone}, trained on {data}, {size}x{size} px; findings: {names}"


def checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint, a run folder's ``best.ckpt``, or a network of the package such as ``demo-pcam``, on the CPU.

    Raises ``DataError`` if it is missing, broken or has more than data.
    """
    return Checkpoint(backbones.path_of(path), weight_files.read(path))


def load(path: Path | str, device: str = "cpu", trust: bool = False) -> Classifier:
    """Load the classifier of a checkpoint, in evaluation mode on ``device``: see ``Checkpoint.network``."""
    return checkpoint(path).network(trust).to(device)


def _is_stamp(stamped: Any) -> bool:
    """Return True if the metadata of a file have flags, the options of a network and findings."""
    match stamped:
        case {"config": dict(), "model": dict(), "findings": [str(), *_]}:
            return True
    return False


def _is_whole(config: Mapping[str, Any], outputs: int) -> bool:
    """Return True if ``Classifier.build_options`` read from a file are complete and match the number of ``outputs``."""
    if "network" not in config:
        return bool(config.get("num_classes") == outputs)
    spec = config.get("wiring")
    if not isinstance(config["network"], str) or not isinstance(spec, dict):
        return False
    if not config.keys() >= OPTIONS_OF_A_NETWORK:
        return False
    if spec.keys() != {field.name for field in fields(ModelSpec)}:
        return False
    count = config["outputs"]
    output_columns = spec["outputs"] or range(count if isinstance(count, int) else 0)
    return len(output_columns) == outputs


def rebuild(config: Mapping[str, Any], where: str, trust: bool = False) -> Classifier:
    """Rebuild a classifier from its ``Classifier.build_options``, without its weights.

    ``where``: source of the config, for error messages. ``trust``: allow a network of a Python file, which is run.
    Raises ``BadValueError`` for such a network without ``trust``, and ``DataError`` if the file has changed.
    """
    if "network" not in config:
        return backbones.build(**config)
    network = config["network"]
    if not trust:
        user_code.refuse_code([network], where)
    if config["code"] != _code(network):
        changed = (
            "or a module that it imports has changed or was removed since this run was created"
        )
        raise DataError(
            f"{user_code.file_of(network)} {changed}: restore it or create the run again"
        )
    module = _rebuilt_module(network, config["outputs"], config["channels"], config["architecture"])
    model = connect(module, ModelSpec(**config["wiring"]), config["channels"])
    model.rescale = normalised(config["mean"], config["std"], config["channels"])
    model.build_options = dict(config)
    return model


def _code(network: str) -> str | None:
    """Return the hash of the user's file in ``network`` with its local modules; None if there is no such file."""
    file = user_code.file_of(network)
    return (
        user_code.code_hash(user_code.local_files(file))
        if file is not None and file.is_file()
        else None
    )


@dataclass(frozen=True)
class ExternalNetwork:
    """Third-party network with the properties of its images and outputs; None or empty if unknown."""

    module: nn.Module
    weights: str
    """Description of its weights."""
    img_size: int | None = None
    channels: int | None = None
    mean: Numbers | None = None
    """Mean of the grey values in [0, 1], one for all channels or one per channel."""
    std: Numbers | None = None
    findings: tuple[str, ...] = ()
    """Names of its outputs."""
    architecture: dict[str, Any] | None = None
    """Configuration needed to rebuild the network, if its name is not enough (transformers)."""


@dataclass(frozen=True, eq=False)
class OpenedNetwork:
    """A network that is ready to be explained."""

    model: Classifier
    """The network with the names of its outputs and the side of its images."""
    preprocess: str
    """Preprocessing before images are resized (``locus.datasets.io.preprocess``)."""
    facts: dict[str, str]
    """What was found, in words: its weights, layers, images, logits and grid."""

    @property
    def img_size(self) -> int:
        """Side of its images in pixels."""
        return self.model.img_size or DEFAULT_IMAGE_SIDE


def build(
    flags: NetworkFlags, default_findings: Sequence[str] = (), default_img_size: int | None = None
) -> OpenedNetwork:
    """Build the network of ``flags.model``; the defaults are the findings and the image size of the data set.

    Values that the flags do not set come from the project of the network or are detected, and are logged. Raises
    ``LocusError`` for values that do not fit, with the flag to write, and if the layers do not give its logits.
    """
    network_name = str(flags.model)
    names_of_outputs = name_map(flags.findings) or flags.findings
    count = (
        None
        if isinstance(names_of_outputs, dict)
        else len(names_of_outputs) or len(default_findings) or None
    )
    network = network_of(network_name, count, flags.channels)
    module = network.module
    weights = network.weights
    if flags.weights:
        weights = weight_files.load_external(
            module, weight_files.weights(flags.weights), flags.weights, network_name
        )
    channels = flags.channels or network.channels or channels_of(module)
    size = flags.img_size or network.img_size or default_img_size or DEFAULT_IMAGE_SIDE
    mean, std, normalisation = _normalisation(flags, network, channels)
    trace = observe(module, channels, size)
    names, where = _named_outputs(
        names_of_outputs, network.findings, default_findings, trace.logits.shape[1]
    )
    meaning = (flags.outputs, flags.target)
    spec, findings = read_spec(
        trace, parts=(flags.features, flags.head), findings=names, where=where, meaning=meaning
    )
    spec = replace(spec, grid=grids.parse(flags.grid) if flags.grid else None)
    rescale = normalised(mean, std, channels)
    model = wire(trace, spec)
    model.rescale = rescale
    model.eval()
    model.build_options = {
        "network": network_name, "outputs": trace.logits.shape[1], "channels": channels, "mean": list(mean),
        "std": list(std), "wiring": asdict(spec), "architecture": network.architecture, "code": _code(network_name),
    }  # fmt: skip
    model.set_outputs(findings, size)
    log.info(
        "%s: %s; weights: %s; images of %d px, %s", network_name, spec, weights, size, normalisation
    )
    return _opened(model, flags.preprocess, weights, normalisation)


def open_run(path: Path, trust: bool) -> OpenedNetwork:
    """Open a finished run of ``main.py`` or of another network: see ``Checkpoint.network``."""
    run = checkpoint(path)
    model = run.network(trust)
    weights = f"all {len(run.weights)} of {path}, none missing, none unexpected"
    source = "from its run" if "network" in (model.build_options or {}) else "ImageNet"
    return _opened(model, run.config.preprocess, weights, source)


def _opened(model: Classifier, preprocess: str, weights: str, normalisation: str) -> OpenedNetwork:
    """Describe an opened network. Raises ``NotAvailableError`` if its grid cannot be found."""
    size = model.img_size or DEFAULT_IMAGE_SIDE
    grid = model.grid((size, size))
    wiring = (model.build_options or {}).get("wiring")
    spec = ModelSpec(**wiring) if wiring else None
    grid_source = "measured" if spec else "computed from its modules"
    if spec and (spec.grid or spec.patch):
        grid_source = "given" if spec.grid else f"from patches of {spec.patch} pixels"
    steps = "" if preprocess == "none" else f", preprocessed by {preprocess}"
    images = f"{size} px, {normalisation}{steps}"
    facts = {"weights": weights, "layers": str(spec or "a network of Locus"), "images": images}
    facts |= (
        {"logits": "equal to the original network's, before functions after its last layer"}
        if spec
        else {}
    )
    facts |= {"grid": f"stride {grid.stride}, offset {grid.offset}, {grid_source}"}
    return OpenedNetwork(model, preprocess, facts)


def name_map(findings: Sequence[str]) -> dict[str, int]:
    """Return the columns of outputs that are named like ``Effusion=3``; empty if no name has a ``=``.

    >>> name_map(["Effusion=3", "Mass=5"]), name_map(["Effusion"])
    ({'Effusion': 3, 'Mass': 5}, {})
    """
    pieces = [text.rpartition("=") for text in findings]
    if not any(equals for _, equals, _ in pieces):
        return {}
    pairs = zip(findings, pieces, strict=True)
    wrong = [text for text, (name, _, column) in pairs if not (name and column.isdecimal())]
    if wrong:
        raise BadValueError(
            f"--findings has {wrong[0]!r} in a name map: write NAME=NUMBER, such as Effusion=3"
        )
    twice = duplicates([name for name, _, _ in pieces])
    if twice:
        raise BadValueError(
            f"--findings has {twice[0]} more than once: give each finding one output"
        )
    return {name: int(column) for name, _, column in pieces}


def _named_outputs(
    from_flags: Sequence[str] | dict[str, int],
    from_project: Sequence[str],
    from_data_set: Sequence[str],
    count: int,
) -> tuple[Sequence[str] | dict[str, int], str]:
    """Return the names of the outputs and their source: the flags, else the network's project, else the data set."""
    for names, where in (
        (from_flags, "--findings"),
        (from_project, "the network's project"),
        (from_data_set, "the data set"),
    ):
        if names:
            return names, where
    raise BadValueError(
        f"the names of the {count} outputs are unknown: list them with --findings, in order"
    )


def _normalisation(
    flags: NetworkFlags, network: ExternalNetwork, channels: int
) -> tuple[Numbers, Numbers, str]:
    """Return mean and standard deviation, from the flags, the network's project or ImageNet, and a description."""
    if bool(flags.mean) != bool(flags.std):
        raise BadValueError("--mean and --std require each other: use both, or leave both out")
    if flags.mean:
        mean = flags.mean
        std = flags.std
        source = "from the flags"
    elif network.mean and network.std and len(network.mean) in (1, channels):
        mean = network.mean
        std = network.std
        source = "from its project"
    else:
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if channels == 3 else (GRAY_MEAN, GRAY_STD)
        source = "ImageNet; change with --mean and --std"
    numbers = (" ".join(f"{value:.4g}" for value in values) for values in (mean, std))
    return mean, std, "mean {}, std {} ({})".format(*numbers, source)


def network_of(network: str, outputs: int | None, channels: int | None = None) -> ExternalNetwork:
    """Build the network that ``network`` names, with ``outputs`` logits (None: the default of the library or file).

    Random weights are the same in every call. Raises ``LocusError`` for an unknown network, a missing library and
    errors in a user's file.
    """
    source, _, name = network.partition(":")
    if not user_code.runs_code(network) and source not in SOURCES:
        forms = f"path/to/file.py:build, {', '.join(f'{s}:NAME' for s in SOURCES)}"
        raise BadValueError(f"unknown network {network!r}: use one of {forms}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if user_code.runs_code(network):
            module, weights = _in_float32(_from_file(network, outputs))
            config = getattr(module, "pretrained_cfg", None) or {}  # of timm's networks
            return ExternalNetwork(module, weights, mean=config.get("mean"), std=config.get("std"))
        return SOURCES[source](name, outputs, channels)


def _from_file(network: str, outputs: int | None) -> nn.Module:
    """Call ``build`` of a user's file, with ``num_classes`` if it has this parameter."""
    make = user_code.from_file(network, "network", "function or class")
    asks = False
    try:
        asks = "num_classes" in inspect.signature(make).parameters and outputs is not None
        module = make(num_classes=outputs) if asks else make()
    except user_code.ANYTHING as error:
        called = f"called with num_classes={outputs}" if asks else "called without arguments"
        raise LocusError(f"{network}, {called}, raised {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise BadValueError(
            f"{network} returns a {type(module).__name__}: it must return an nn.Module"
        )
    return module


def _in_float32(module: nn.Module) -> tuple[nn.Module, str]:
    """Return the network in float32, and a description of its weights."""
    types = {str(weight.dtype) for weight in module.parameters() if weight.is_floating_point()} - {
        "torch.float32"
    }
    if not types or any(
        isinstance(weight, UninitializedParameter) for weight in module.parameters()
    ):
        return module, "set by its build function"
    return (
        module.float(),
        f"set by its build function, converted from {', '.join(sorted(types))} to float32",
    )


def _timm(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    import timm

    if not timm.is_model(name):
        raise UnknownNameError(
            "timm network", name, difflib.get_close_matches(name, timm.list_models(), n=5)
        )
    options = {"in_chans": channels or 3, **layers.options(name)}
    module: Any = timm.create_model(name, num_classes=_require_outputs(name, outputs), **options)
    config = module.pretrained_cfg
    mean, std = (tuple(config[field]) if channels != 1 else None for field in ("mean", "std"))
    return ExternalNetwork(
        module=module,
        weights="random",
        img_size=config["input_size"][-1],
        channels=channels or 3,
        mean=mean,
        std=std,
    )


def _torchvision(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise UnknownNameError(
            "torchvision network", name, difflib.get_close_matches(name, names, n=5)
        )
    module = torchvision.models.get_model(
        name, weights=None, num_classes=_require_outputs(name, outputs)
    )
    return ExternalNetwork(module, "random")


def _xrv(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    """Build torchxrayvision's DenseNet-121 with random weights, or the network of named weights."""
    library = weight_files.library(name)
    size = 512 if "512" in name else 224
    grey: dict[str, Any] = {"img_size": size, "channels": 1, "mean": (0.5,), "std": (1 / 2048,)}
    if name in weight_files.BACKBONE_OF_WEIGHTS and "densenet" in name:
        findings = tuple(
            f or f"output {n}" for n, f in enumerate(library.models.model_urls[name]["labels"])
        )
        module = library.models.DenseNet(weights=None, num_classes=len(findings))
        module.load_state_dict(
            weight_files.state(name), strict=False
        )  # operating points do not affect logits
        return ExternalNetwork(module, name, findings=findings, **grey)
    if name != "densenet121":
        raise UnknownNameError(
            "network of torchxrayvision", name, ("densenet121", *weight_files.BACKBONE_OF_WEIGHTS)
        )
    module = library.models.DenseNet(weights=None, num_classes=_require_outputs(name, outputs))
    return ExternalNetwork(module, "random", **grey)


def _efficientnet_pytorch(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    errors.require_extra("efficientnet", "efficientnet_pytorch", f"efficientnet_pytorch:{name}")
    from efficientnet_pytorch import VALID_MODELS, EfficientNet

    if name not in VALID_MODELS:
        raise UnknownNameError("network of efficientnet_pytorch", name, VALID_MODELS)
    options = {"num_classes": _require_outputs(name, outputs), "in_channels": channels or 3}
    module = EfficientNet.from_name(name, **options)
    return ExternalNetwork(module, "random", EfficientNet.get_image_size(name), channels or 3)


def _hf(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    """Load an image classifier of Hugging Face's transformers from the hub or a local folder."""
    module = encoders.load("AutoModelForImageClassification", name)
    config = module.config
    labels = module.config.id2label
    findings: tuple[str, ...] = ()
    if not str(labels.get(0, "LABEL_0")).startswith("LABEL_"):
        findings = tuple(labels[index] for index in sorted(labels))
    processor = encoders.processor(name)
    side = encoders.processed_size(processor)
    size = getattr(config, "image_size", None)
    if side is None and size:
        side = int(size[0] if isinstance(size, list | tuple) else size)
    mean, std = encoders.statistics(processor)
    return ExternalNetwork(
        module,
        f"{name}'s",
        img_size=side,
        channels=getattr(config, "num_channels", None),
        mean=mean,
        std=std,
        findings=findings,
        architecture=config.to_dict(),
    )


def _require_outputs(name: str, outputs: int | None) -> int:
    if outputs is None:
        raise BadValueError(
            f"the number of outputs of {name} is unknown: list them with --findings, in order"
        )
    return outputs


SOURCES: dict[str, Callable[[str, int | None, int | None], ExternalNetwork]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "xrv": _xrv,
    "efficientnet_pytorch": _efficientnet_pytorch,
    "hf": _hf,
}
"""Library before the colon -> function that builds its networks."""


def _rebuilt_module(
    network: str, outputs: int, channels: int, architecture: dict[str, Any] | None
) -> nn.Module:
    """Build a network of the same architecture, without its weights."""
    if architecture is None:
        plain = "xrv:densenet121" if network.startswith("xrv:") else network
        return network_of(plain, outputs, channels).module
    module: nn.Module = encoders.from_config(
        "AutoModelForImageClassification", network, architecture
    )
    return module


@dataclass(frozen=True)
class ExternalModel:
    """A network that is scored but not trained by the suite."""

    name: str
    """Name in the tables."""
    checkpoint: Path
    digest: str
    """Digest of the weights, and of the way an external network uses them."""
    code: str
    """Hash of the code of the network; see ``locus.benchmark.maps``."""
    findings: tuple[str, ...]
    """Names of its outputs, in order."""
    pooling: str
    """Name of the pooling; empty for an opaque head."""
    network: str = ""
    """Name of an external network; empty for a network of Locus."""
    trained_on: str = ""
    """Training data, as declared or recorded by its run."""
    training_images: TrainingImages | None = None
    """Its training images, of its file or a list; None if neither has them."""
    listed: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of its training images, if a list was given."""
    declared: TrainConfig | None = None
    """Official split of the data set that was declared as training data, if there is one."""


def read(
    path: Path, name: str | None = None, trained_on: str | None = None
) -> tuple[ExternalModel, dict[str, Any]]:
    """Return the network of a run folder or checkpoint, called ``name`` in tables, and the flags that describe it.

    ``trained_on`` overrides the training data recorded in the run. Raises ``DataError`` for a path that is not a run.
    """
    run = checkpoint(path)
    config = run.config
    stamp = run.stamp
    network = str(stamp["model"].get("network", ""))
    wiring = stamp["model"].get("wiring")
    declared = trained_on or run.trained_on
    listed = _listed_images(declared)
    training_images = TrainingImages.listed(listed) if listed else run.training_images
    if listed:
        declared = f"{len(listed)} images of {Path(declared).name} ({file_hash(declared)[:8]})"
    pooling = config.global_pool
    if wiring is not None:
        pooling = wiring["pooling"] if wiring["head"] else ""
    split = _default_split(trained_on or str(stamp.get("trained_on") or ""))
    shown_name = name or stamp.get("entry") or _name_of(run.path)
    weights_file = path / "best.ckpt" if path.is_dir() else run.path
    model = ExternalModel(
        name=shown_name,
        checkpoint=weights_file,
        digest=run.digest,
        code=backbones.network_code(stamp["model"]),
        findings=run.findings,
        pooling=pooling,
        network=network,
        trained_on=declared,
        training_images=training_images,
        listed=listed,
        declared=split,
    )
    return model, {name: getattr(config, name) for name in {*flags_with(TrainConfig, MAPS), "seed"}}


def _name_of(path: Path) -> str:
    """Return the name of a run folder, of the folder of a checkpoint, or of a file of weights."""
    if path.suffix == backbones.SUFFIX:
        return path.stem
    folder = path if path.is_dir() else path.parent
    return folder.resolve().name


def _listed_images(declared: str) -> frozenset[str]:
    """Return the images listed in a .txt or .csv file, one per line; empty for another word.

    Raises ``DataError`` for a missing, empty or broken list.
    """
    if not declared.lower().endswith((".txt", ".csv")):
        return frozenset()
    images = frozenset(read_list(Path(declared))[0])
    if not images:
        raise DataError(f"{declared} lists no training image: write one name per line")
    return images


def _default_split(declared: str) -> TrainConfig | None:
    """Return the default split of the data set with this name; None if there is no such data set."""
    if declared.split(":")[0] not in datasets.names():
        return None
    names = flags_with(TrainConfig, DATA | MACHINE)
    values = {**cli.defaults_of(TrainConfig, {"dataset": declared}), "dataset": declared}
    return cli.build(TrainConfig, {name: value for name, value in values.items() if name in names})
