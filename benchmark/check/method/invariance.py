"""What a map must not depend on: its batch, other methods and findings, earlier calls, the caller's mode."""

from contextlib import AbstractContextManager

import torch

from benchmark.check.method.question import MethodOnModel, Observation, first_failure, question, same

COMPANY = ("cam", "gradcam", "hirescam", "gradcampp")
"""Methods that read the same evidence."""
ABOUT_FINDINGS = frozenset({"gradients", "class_maps", "head", "forwards", "pixels"})
"""Needs that differ between findings."""


@question("a map depends on its neighbours: look for a mean, a maximum or a product over the images of the batch")
def batch(trial: MethodOnModel) -> Observation:
    """Explain each image alone, and all in reverse order.

    Maps must agree up to rounding for any batch.
    """
    whole = trial.maps()
    alone = torch.cat([trial.maps(image[None]) for image in trial.images])
    reverse = trial.maps(trial.images.flip(0)).flip(0)
    return first_failure([same(alone, whole, "alone and in a batch"), same(reverse, whole, "in another order")])


@question(
    "methods disturb each other: look for an operation in place on evidence.A, .G, .images or .class_maps, or for state"
)
def company(trial: MethodOnModel) -> Observation:
    """Run the method first, then others on the same evidence, and the other way round.

    A method that writes into the evidence changes its neighbours' maps.
    """
    method, others = trial.make(), [word for word in COMPANY if word != trial.make().name]
    plain = trial.maps_of(others)
    first, last = trial.maps_of([method, *others]), trial.maps_of([*others, method])
    answers = [same(first[word], plain[word], f"{word} behind the method and without it") for word in others]
    words = "behind other methods and before them"
    return first_failure([*answers, same(last[method.name], first[method.name], words)])


@question("a map depends on the other requested findings: look for a normalisation or a softmax over the findings")
def findings(trial: MethodOnModel) -> Observation:
    """Explain some findings, in another order, and one alone.

    A map must not depend on the other requested findings.
    """
    whole = trial.maps()
    subsets = {"two findings": [2, 0], "one finding": [1]}
    maps = {what: (trial.maps(findings=some), whole[:, some]) for what, some in subsets.items()}
    return first_failure([same(*pair, f"of {what} and of all") for what, pair in maps.items()])


@question("the method reads findings but gives the same map for all: look for an index or a sum over the findings")
def sensitivity(trial: MethodOnModel) -> Observation:
    """Check that maps of different findings differ; a class-blind method must declare it."""
    maps = trial.maps()
    if not torch.equal(maps, maps[:, :1].expand_as(maps)):
        return Observation("pass", "findings have different maps")
    blind = not trial.make().needs & ABOUT_FINDINGS
    same_for_all = "one map for all findings"
    return Observation("info", f"class-blind: {same_for_all}") if blind else Observation("fail", same_for_all)


@question(
    "two calls differ: draw from core.seeds.generator, keyed by the image, and keep nothing on self between calls"
)
def repeat(trial: MethodOnModel) -> Observation:
    """Repeat the method with another random state, another instance, and other images in between."""
    method = trial.make()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = trial.maps(method=method)
        torch.manual_seed(2)
        other = trial.maps()
        trial.maps(trial.images.flip(-1), method=method)
        again = trial.maps(method=method)
    return first_failure([same(other, first, "two instances"), same(again, first, "before and after other images")])


@question("the method depends on its caller's gradient mode: enable gradients itself, create no tensor in __init__")
def modes(trial: MethodOnModel) -> Observation:
    """Create and call it under ``no_grad``, ``inference_mode`` and with gradients, gradients on or off outside."""
    plain = trial.maps()
    contexts: list[AbstractContextManager[object]] = [torch.no_grad(), torch.inference_mode(), torch.enable_grad()]
    answers = []
    for context in contexts:
        with context:
            answers.append(same(trial.maps(trial.images.clone()), plain, f"under {type(context).__name__} and outside"))
    return first_failure(answers)
