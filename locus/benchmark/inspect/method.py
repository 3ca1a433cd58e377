"""Check a heat-map method, built-in or user-defined, and generate the page of all methods.

``examine``  answers every question about a method on every small model that it supports
``run``      examines several methods and prints their tables
``page``     docs/methods.md, generated from the classes of the methods

A question is a function with the decorator ``question``; it is asked on small models
(``locus.benchmark.inspect.question``):

* declarations: source, needs and cost agree with the behaviour (``stated``, ``needs``, ``cost``)
* side effects: the method does not change its inputs, the model or the process (``inputs``, ``model``, ``process``)
* invariance: a map does not depend on its batch, other methods and findings, earlier calls or gradient modes
  (``batch``, ``company``, ``findings``, ``sensitivity``, ``repeat``, ``modes``)
* place: a map shows the patch on which the logits of a planted network depend (``position``)
* values: maps are float32 on the images' device and finite for any input (``dtype``, ``device``, ``finite``)
"""

import contextlib
import copy
import dataclasses
import inspect
import logging
import random
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from locus import methods
from locus.backbones import Classifier
from locus.benchmark.baselines import is_baseline
from locus.benchmark.inspect import families
from locus.benchmark.inspect.question import (
    PLANTED_MODEL,
    AnswerRow,
    MethodOnModel,
    Observation,
    Question,
    Verdict,
    conclude,
    first_failure,
    judged,
    on_models,
    patch_images,
    plant_patches,
    quadrant_means,
    question,
    same,
)
from locus.benchmark.report.table import render
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.types import Echo
from locus.core.user_code import ANYTHING
from locus.explaining.batch import ModifiedInputError, run_method
from locus.explaining.evidence import NetworkEvidence
from locus.methods.evidence import NEEDS, Evidence, EvidenceView
from locus.methods.smoothing import Aug, Eigen

LARGE_LOGIT = 200.0
"""Logits of this size make exp and sigmoid overflow or vanish in float32."""
REFERENCE_METHODS = ("cam", "gradcam", "hirescam", "gradcampp")
"""Other methods that read the same evidence."""
log = logging.getLogger(__name__)
ABOUT_FINDINGS = frozenset({"gradients", "class_maps", "head", "forwards", "pixels"})
"""Needs whose values differ between findings."""
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
MAX_COST_SECONDS = 3.0
"""Maximum duration of measuring the cost; a slow method is measured once."""
COST_REPEATS = 7
NEEDED = {
    "head": ("head",), "ablation_drops": ("head",), "network": ("forwards", "pixels"),
    "batched_forward": ("forwards",),
    "gradients": ("gradients",), "class_maps": ("class_maps",), "bias": ("class_maps",),
    "attention": ("attention",), "all_findings": ("all_findings", "others"), "full_gradients": ("pixels",),
}  # fmt: skip
"""Attribute of the evidence -> needs; one of them must be declared. Other attributes are always allowed."""


@question("maps are compared and stored as float32: avoid numpy's float64, and detach gradients")
def dtype(subject: MethodOnModel) -> Observation:
    """Check the return value of the method itself, before any conversion."""
    with torch.no_grad():
        maps = subject.make().maps(subject.evidence())
    return judged(maps.dtype == torch.float32, str(maps.dtype).removeprefix("torch."))


@question("the method would fail on a GPU: create new tensors with device=evidence.A.device")
def device(subject: MethodOnModel) -> Observation:
    """Check that new tensors are created on the images' device; this works without a GPU."""
    evidence = subject.evidence()
    try:
        with torch.no_grad(), Elsewhere():
            maps = subject.make().maps(evidence)
    except NotImplementedError:  # meta tensors cannot be moved back
        moved = "moves tensors to the images' device; only a GPU shows whether it moves all of them"
        return Observation("info", moved)
    is_on_device = maps.device == evidence.A.device
    return judged(is_on_device, f"maps are {'' if is_on_device else 'not '}on the images' device")


class Elsewhere(TorchFunctionMode):
    """Create new tensors without an explicit device on the meta device, except scalars."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the function's result, on the meta device if it is a new tensor."""
        result = func(*args, **(kwargs or {}))
        arguments = [
            value for arg in args for value in (arg if isinstance(arg, list | tuple) else [arg])
        ]
        is_new_tensor = "device" not in (kwargs or {}) and not any(
            isinstance(value, Tensor) for value in arguments
        )
        return (
            result.to("meta")
            if is_new_tensor and isinstance(result, Tensor) and result.ndim > 0
            else result
        )


@question("maps are NaN or infinite: guard denominators against 0, subtract the maximum before exp")
def finite(subject: MethodOnModel) -> Observation:
    """Check constant images, huge values, feature maps of zeros and logits of 200 and -200."""
    values = {value: torch.full_like(subject.images, value) for value in (0.0, 1.0, 1e4, -1e4)}
    cases = {f"images of {value:g}": (subject.model, images) for value, images in values.items()}
    cases[f"logits up to {LARGE_LOGIT:g}"] = (_loud(subject, 1), subject.images)
    cases["the negative of these logits"] = (_loud(subject, -1), subject.images)
    cases["feature maps of zeros"] = (_silent(subject), subject.images)
    maps = {
        name: replace(subject, model=net, images=images[:2]).maps()
        for name, (net, images) in cases.items()
    }
    not_finite = [name for name, values in maps.items() if not values.isfinite().all()]
    return judged(
        not not_finite,
        f"NaN or infinite for {', '.join(not_finite)}"
        if not_finite
        else f"finite for {', '.join(cases)}",
    )


def _loud(subject: MethodOnModel, sign: int) -> Classifier:
    """Return the model with a head scaled by ``sign`` until its logits reach ``LARGE_LOGIT``."""
    network = copy.deepcopy(subject.model, {id(subject.model.extractor): subject.model.extractor})
    with torch.no_grad():
        network.weight.mul_(sign * LARGE_LOGIT / float(subject.model(subject.images).abs().max()))
    return network


def _silent(subject: MethodOnModel) -> Classifier:
    """Return the model with feature maps of zeros: its normalisation layers output 0."""
    network = copy.deepcopy(subject.model)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)
    return network


@question(
    "a map depends on the other images of its batch: look for a mean, maximum or product over the batch"
)
def batch(subject: MethodOnModel) -> Observation:
    """Compare the maps of a batch with those of each image alone and of the batch in reverse order."""
    in_batch = subject.maps()
    alone = torch.cat([subject.maps(image[None]) for image in subject.images])
    reverse = subject.maps(subject.images.flip(0)).flip(0)
    return first_failure(
        [same(alone, in_batch, "alone and in a batch"), same(reverse, in_batch, "in another order")]
    )


@question(
    "methods affect each other: look for in-place operations on evidence.A, .G, .images or .class_maps, or for state"
)
def company(subject: MethodOnModel) -> Observation:
    """Run the method before and after other methods on the same evidence.

    A method that changes the evidence changes the other methods' maps.
    """
    method = subject.make()
    other_names = [name for name in REFERENCE_METHODS if name != subject.make().name]
    plain = subject.maps_of(other_names)
    first = subject.maps_of([method, *other_names])
    last = subject.maps_of([*other_names, method])
    answers = [
        same(first[name], plain[name], f"{name} after the method and without it")
        for name in other_names
    ]
    order_of_methods = "after other methods and before them"
    return first_failure([*answers, same(last[method.name], first[method.name], order_of_methods)])


@question(
    "the method writes into its inputs, which other methods and the caller read: use a copy, such as A.clone()"
)
def inputs(subject: MethodOnModel) -> Observation:
    """Check that the images and the evidence are unchanged, also through ``.data`` and NumPy."""
    try:
        run_method(subject.make(), subject.evidence())
    except ModifiedInputError as error:
        return Observation("fail", str(error))
    return Observation("pass", "unchanged")


@question(
    "a map depends on the other requested findings: look for a normalisation or a softmax over the findings"
)
def findings(subject: MethodOnModel) -> Observation:
    """Compare the maps of all findings with those of two findings in another order, and of one finding."""
    all_maps = subject.maps()
    subsets = {"two findings": [2, 0], "one finding": [1]}
    maps_of_subsets = {
        subset_name: (subject.maps(findings=indices), all_maps[:, indices])
        for subset_name, indices in subsets.items()
    }
    return first_failure(
        [
            same(*pair, f"of {subset_name} and of all")
            for subset_name, pair in maps_of_subsets.items()
        ]
    )


@question(
    "the method gives the same map for all findings: look for an index or a sum over the findings"
)
def sensitivity(subject: MethodOnModel) -> Observation:
    """Check that maps of different findings differ, unless the method declares no need that depends on findings."""
    maps = subject.maps()
    if not torch.equal(maps, maps[:, :1].expand_as(maps)):
        return Observation("pass", "findings have different maps")
    blind = not subject.make().needs & ABOUT_FINDINGS
    same_for_all = "one map for all findings"
    return (
        Observation("info", f"class-blind: {same_for_all}")
        if blind
        else Observation("fail", same_for_all)
    )


@question(
    "the map is in another place than what the logit depends on: look for a flip, a transposition or a shift"
)
def position(subject: MethodOnModel) -> Observation:
    """Check that a map follows a bright patch, on which alone the logits depend, into each quadrant of the image."""
    if is_baseline(subject.make().name):
        return Observation("info", "n/a: a baseline, which does not read the network")
    if subject.name != PLANTED_MODEL:
        return Observation(
            "info", "n/a: the answer is known for the small CNN with average pooling only"
        )
    plant_patches(subject.model)
    maps = subject.maps(patch_images(*subject.images.shape[-2:]))
    means = quadrant_means(maps)
    is_in_quadrant = means.argmax(-1) == torch.arange(len(maps))[:, None]
    strongest = (means == means.amax(-1, keepdim=True)).sum(-1) == 1
    missed = int((~(is_in_quadrant & strongest)).sum())
    failure = f"{missed} of {is_in_quadrant.numel()} maps are strongest in another quadrant than that of the patch"
    return judged(not missed, failure if missed else "the maps follow a patch into each quadrant")


@question(
    "two calls differ: draw from locus.core.types.generator, keyed by the image, and keep no state on self"
)
def repeat(subject: MethodOnModel) -> Observation:
    """Repeat the method with another random state, another instance, and other images in between."""
    method = subject.make()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = subject.maps(method=method)
        torch.manual_seed(2)
        from_other_instance = subject.maps()
        subject.maps(subject.images.flip(-1), method=method)
        again = subject.maps(method=method)
    return first_failure(
        [
            same(from_other_instance, first, "two instances"),
            same(again, first, "before and after other images"),
        ]
    )


@question(
    "maps depend on the caller's gradient mode: enable gradients in the method, create no tensor in __init__"
)
def modes(subject: MethodOnModel) -> Observation:
    """Create and call the method under ``no_grad``, ``inference_mode`` and ``enable_grad``."""
    plain = subject.maps()
    contexts: list[AbstractContextManager[object]] = [
        torch.no_grad(),
        torch.inference_mode(),
        torch.enable_grad(),
    ]
    answers = []
    for context in contexts:
        with context:
            maps = subject.maps(subject.images.clone())
            answers.append(same(maps, plain, f"under {type(context).__name__} and outside"))
    return first_failure(answers)


@question("the method changes the model, so later maps are wrong: restore weights, modes and hooks")
def model(subject: MethodOnModel) -> Observation:
    """Compare weights, buffers, gradients, hooks, modes and ``requires_grad`` before and after.

    The network is partly in evaluation mode.
    """
    subject.model.train()
    subject.model.extractor.eval()  # like a partly frozen network
    before = state(subject.model)
    subject.maps()
    return _changes(before, state(subject.model))


@question(
    "the method changes global state, which affects other code: use locus.core.types.generator and context managers"
)
def process(subject: MethodOnModel) -> Observation:
    """Compare random states, gradient mode, default types and the images before and after.

    Explaining must not change the next random numbers of torch, numpy and random.
    """
    (
        torch.rand(1),
        np.random.random(),
        random.random(),
    )  # so that a method that sets the seed is detected
    before = _process(subject.images)
    subject.maps()
    return _changes(before, _process(subject.images))


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Observation:
    changed = [name for name, value in before.items() if after[name] != value]
    return judged(
        not changed,
        f"changed: {', '.join(changed)}" if changed else f"unchanged: {', '.join(before)}",
    )


def state(network: nn.Module) -> dict[str, Any]:
    """Return everything that a method could change in a network, as comparable values."""
    weights = {name: _fingerprint(value) for name, value in network.state_dict().items()}
    gradients = {}
    requires_grad = {}
    for name, parameter in network.named_parameters():
        gradient = parameter.grad
        gradients[name] = None if gradient is None else _fingerprint(gradient)
        requires_grad[name] = parameter.requires_grad
    modes = []
    hook_counts = []
    for module in network.modules():
        modes.append(module.training)
        hook_counts.append([len(getattr(module, kind)) for kind in HOOKS])
    # hooks of all modules of the process
    hook_counts.append([len(getattr(hooks, f"_global{kind}")) for kind in HOOKS])
    return {
        "weights and buffers": weights,
        "gradients": gradients,
        "requires_grad": requires_grad,
        "modes": modes,
        "hooks": hook_counts,
    }


def _process(images: Tensor) -> dict[str, Any]:
    numpy: Any = np.random.get_state(legacy=False)
    numpy_state = [numpy["state"]["pos"], numpy["state"]["key"].tobytes()]
    return {
        "random states": [_fingerprint(torch.get_rng_state()), numpy_state, random.getstate()],
        "gradient mode": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
        "default type": [torch.get_default_dtype(), torch.get_default_device()],
        "threads": torch.get_num_threads(),
        "images": _fingerprint(images),
    }


def _fingerprint(values: Tensor) -> int:
    """Return a fingerprint of a tensor's bytes."""
    return zlib.crc32(values.detach().cpu().contiguous().numpy().tobytes())


@question(
    "the map is not documented: write a docstring (what the map shows, formula, paper) and `source`"
)
def stated(subject: MethodOnModel) -> Observation:
    """Check that the class has a docstring and a ``source``, which appear in docs/methods.md."""
    method_class = type(subject.make())
    absent = [
        attribute
        for attribute, text in {
            "docstring": method_class.__doc__,
            "source": method_class.source,
        }.items()
        if not text
    ]
    return judged(not absent, f"no {' and no '.join(absent)}" if absent else method_class.source)


@question("the engine computes what `needs` declares: list everything that the method reads")
def needs(subject: MethodOnModel) -> Observation:
    """Run the method on evidence that raises an error for everything undeclared.

    For example, reading gradients without "gradients" in ``needs`` fails.
    """
    method = subject.make()
    unknown = method.needs - NEEDS
    if unknown:
        return Observation(
            "fail",
            f"unknown needs: {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(NEEDS))}",
        )
    evidence = subject.evidence()
    try:
        run_method(method, guarded(evidence, method.needs))
    except UndeclaredError as error:
        return Observation("fail", str(error))
    return Observation("pass", f"reads only {', '.join(sorted(method.needs))}")


class UndeclaredError(BadValueError):
    """Raised if a method reads evidence without declaring the need."""


class GuardedEvidence(EvidenceView):
    """Evidence that raises ``UndeclaredError`` for everything outside ``needs``."""

    def __init__(self, evidence: Evidence, needs: frozenset[str]) -> None:
        super().__init__(lambda: evidence)
        self._needs = needs

    def __getattr__(self, name: str) -> Any:
        needed = NEEDED.get(name, ())
        if needed and not self._needs & set(needed):
            declared = ", ".join(sorted(self._needs)) or "nothing"
            shown_name = {"gradients": "gradients or .G"}.get(name, name)
            raise UndeclaredError(
                f"reads evidence.{shown_name} but declares {declared}: add {needed[0]} to needs"
            )
        value = super().__getattr__(name)
        return guarded(value, self._needs) if isinstance(value, NetworkEvidence) else value

    def at(self, layer: str | None) -> Evidence:
        """Guard the evidence of another layer."""
        return guarded(self._source().at(layer), self._needs)

    def parts(self) -> Iterator[tuple[slice, Evidence]]:
        """Guard the evidence of each part."""
        for rows, evidence in self._source().parts():
            yield rows, guarded(evidence, self._needs)


def guarded(evidence: Evidence, needs: frozenset[str]) -> Evidence:
    """Return ``evidence`` that raises ``UndeclaredError`` for everything outside ``needs``."""
    return cast(Evidence, GuardedEvidence(evidence, needs))


@question("")
def cost(subject: MethodOnModel) -> Observation:
    """Measure the cost in forward passes of the same batch. The largest over the networks is reported, not judged.

    On each network, the shortest run is divided by the shortest plain forward pass. Both alternate up to
    ``COST_REPEATS``
    times, until ``MAX_COST_SECONDS`` have passed.
    """
    forward_seconds: list[float] = []
    method_seconds: list[float] = []
    while (
        len(forward_seconds) < COST_REPEATS and sum(method_seconds) < MAX_COST_SECONDS
    ):  # alternate: other load affects both
        forward_seconds.append(_seconds(lambda: subject.model(subject.images)))
        method_seconds.append(_seconds(subject.maps))
    text = f"{min(method_seconds) / min(forward_seconds):.1f} times a forward pass, {len(subject.images)} images"
    return Observation("info", text, min(forward_seconds))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        call()
    return time.perf_counter() - start


HEADERS = ("method", "what the map shows", "source", "needs", "networks", "extra cost")
WIDTHS = [None, None, 60, 60]
"""Maximum number of characters per line, for each column of the printed table."""

PRICES = {
    "pixels": "backward passes per finding",
    "forwards": "many forward passes",
    "head": "many evaluations of the head",
}
"""Need -> cost of a method that does not declare one."""


def page() -> str:
    """Return the page as Markdown: all methods, ``smooth``, differences, factors of FullGrad, and placement."""
    smooth = [
        " ".join(inspect.cleandoc(smoothing.__doc__ or "").replace("``", "`").split())
        for smoothing in (Aug, Eigen)
    ]
    headers = {"fast": HEADERS[:-1], "slow": HEADERS}
    rows = {
        name: [_row(method_name)[: len(headers[name])] for method_name in methods.expand([name])]
        for name in headers
    }
    groups = {
        name: tabulate(lines, headers=headers[name], tablefmt="github")
        for name, lines in rows.items()
    }
    return render(
        "methods.md",
        groups=groups,
        networks=families.table(),
        smooth=smooth,
        differences=_differences(),
    )


def _differences() -> Iterator[str]:
    yield f"`smooth=aug`: {Aug.other_packages}"
    for method_name in methods.names():
        with contextlib.suppress(NotAvailableError):
            text = methods.get(method_name).other_packages
            if text:
                yield f"`{method_name}`: {text}"


def _row(method_name: str) -> tuple[str, ...]:
    try:
        method_class = methods.get(method_name)
    except NotAvailableError as error:
        return method_name, str(error), "", "", "", ""
    shows = " ".join(inspect.cleandoc(method_class.__doc__ or "").split("\n\n")[0].split())
    price = method_class.extra_cost or next(
        (price for need, price in PRICES.items() if need in method_class.needs), ""
    )
    return (
        f"`{method_name}`",
        shows,
        method_class.source,
        ", ".join(sorted(method_class.needs)),
        method_class.networks or "all",
        price,
    )


QUESTIONS = tuple(value for value in [*globals().values()] if isinstance(value, Question))
"""All questions of this file."""
VERDICTS: tuple[Verdict, ...] = ("info", "pass", "fail")


@question(
    "the method returns no map for any of the small models; it must support AVG or PCAM pooling"
)
def serves(subject: MethodOnModel) -> Observation:
    """Check that the method supports the model."""
    try:
        subject.maps()
    except NotAvailableError as error:
        return Observation("fail", f"n/a: {error}")
    return Observation("pass", "maps")


def examine(method_name: str, questions: Sequence[Question] = QUESTIONS) -> list[AnswerRow]:
    """Answer all questions about the method ``method_name`` (a name with options, or ``path/to/file.py:Class``).

    The first question is ``serves``; a method that supports no model gets no other answer. Raises ``LocusError`` for an
    unknown method.
    """
    subjects = on_models(lambda: methods.build(method_name))
    observations = {subject.name: _asked(serves, subject, 0.0) for subject in subjects}
    served = [subject for subject in subjects if observations[subject.name].verdict == "pass"]
    if not served:
        return [_merged(serves, observations)]
    observed = "; ".join(
        f"{model}: {observation.text}" for model, observation in observations.items()
    )
    log.info("asking %s %d questions", method_name, len(questions))
    bar = tqdm(questions, desc=f"ask {method_name}", unit="question", leave=False, disable=None)
    return [
        AnswerRow(serves.name, "pass", observed, serves.meaning),
        *(answer(question, served) for question in bar),
    ]


def answer(question: Question, served: Sequence[MethodOnModel]) -> AnswerRow:
    """Answer a question with the worst observation over all models that the method supports."""
    return _merged(question, {subject.name: _asked(question, subject) for subject in served})


def _merged(question: Question, observations: dict[str, Observation]) -> AnswerRow:
    model, worst = max(
        observations.items(), key=lambda item: (VERDICTS.index(item[1].verdict), item[1].size)
    )
    where = (
        f"{model}: " if len(observations) > 1 and (worst.verdict == "fail" or worst.size) else ""
    )
    return AnswerRow(question.name, worst.verdict, where + worst.text, question.meaning)


def _asked(question: Question, subject: MethodOnModel, size: float = float("inf")) -> Observation:
    """Ask with copies of the model and the images, so that side effects of a method do not affect other questions.

    ``size`` is that of an observation that the question raised an error; by default, it is reported before all others.
    """
    copies = dataclasses.replace(
        subject, model=copy.deepcopy(subject.model), images=subject.images.clone()
    )
    try:
        return question.ask(copies)
    except ANYTHING as error:
        return Observation("fail", f"raised {type(error).__name__}: {error}", size)


def run(method_names: Sequence[str], threads: int, echo: Echo) -> list[str]:
    """Examine each method of ``method_names`` and ``echo`` its table; return the methods that fail a question."""
    torch.set_num_threads(threads)
    failing = []
    for method_name in methods.expand(method_names):
        answers = examine(method_name)
        echo(table(answers))
        failing += [method_name] if conclude(method_name, answers, echo) else []
    return failing


def table(answers: Sequence[AnswerRow]) -> str:
    """Format the answers as a table: question, verdict, observation and, beside failures only, what they mean."""
    headers = ["question", "verdict", "seen"]
    rows = [[answer.question, answer.verdict, answer.seen] for answer in answers]
    if any(answer.verdict == "fail" for answer in answers):
        headers.append("a failure means")
        for row, answer in zip(rows, answers, strict=True):
            row.append(answer.meaning if answer.verdict == "fail" else "")
    return tabulate(rows, headers=headers, maxcolwidths=WIDTHS[: len(headers)])
