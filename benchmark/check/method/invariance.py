"""Check that a map does not depend on its batch, other methods and findings, earlier calls or gradient modes."""

from contextlib import AbstractContextManager

import torch

from benchmark.check.method.question import MethodOnModel, Observation, first_failure, question, same

COMPANY = ("cam", "gradcam", "hirescam", "gradcampp")
"""Other methods that read the same evidence."""
ABOUT_FINDINGS = frozenset({"gradients", "class_maps", "head", "forwards", "pixels"})
"""Needs whose values differ between findings."""


@question("a map depends on the other images of its batch: look for a mean, maximum or product over the batch")
def batch(subject: MethodOnModel) -> Observation:
    """Compare the maps of a batch with those of each image alone and of the batch in reverse order."""
    whole = subject.maps()
    alone = torch.cat([subject.maps(image[None]) for image in subject.images])
    reverse = subject.maps(subject.images.flip(0)).flip(0)
    return first_failure([same(alone, whole, "alone and in a batch"), same(reverse, whole, "in another order")])


@question(
    "methods affect each other: look for in-place operations on evidence.A, .G, .images or .class_maps, or for state"
)
def company(subject: MethodOnModel) -> Observation:
    """Run the method before and after other methods on the same evidence.

    A method that changes the evidence changes the other methods' maps.
    """
    method, others = subject.make(), [word for word in COMPANY if word != subject.make().name]
    plain = subject.maps_of(others)
    first, last = subject.maps_of([method, *others]), subject.maps_of([*others, method])
    answers = [same(first[word], plain[word], f"{word} after the method and without it") for word in others]
    words = "after other methods and before them"
    return first_failure([*answers, same(last[method.name], first[method.name], words)])


@question("a map depends on the other requested findings: look for a normalisation or a softmax over the findings")
def findings(subject: MethodOnModel) -> Observation:
    """Compare the maps of all findings with those of two findings in another order, and of one finding."""
    whole = subject.maps()
    subsets = {"two findings": [2, 0], "one finding": [1]}
    maps = {what: (subject.maps(findings=some), whole[:, some]) for what, some in subsets.items()}
    return first_failure([same(*pair, f"of {what} and of all") for what, pair in maps.items()])


@question("the method gives the same map for all findings: look for an index or a sum over the findings")
def sensitivity(subject: MethodOnModel) -> Observation:
    """Check that maps of different findings differ, unless the method declares no need that depends on findings."""
    maps = subject.maps()
    if not torch.equal(maps, maps[:, :1].expand_as(maps)):
        return Observation("pass", "findings have different maps")
    blind = not subject.make().needs & ABOUT_FINDINGS
    same_for_all = "one map for all findings"
    return Observation("info", f"class-blind: {same_for_all}") if blind else Observation("fail", same_for_all)


@question("two calls differ: draw from core.seeds.generator, keyed by the image, and keep no state on self")
def repeat(subject: MethodOnModel) -> Observation:
    """Repeat the method with another random state, another instance, and other images in between."""
    method = subject.make()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = subject.maps(method=method)
        torch.manual_seed(2)
        other = subject.maps()
        subject.maps(subject.images.flip(-1), method=method)
        again = subject.maps(method=method)
    return first_failure([same(other, first, "two instances"), same(again, first, "before and after other images")])


@question("maps depend on the caller's gradient mode: enable gradients in the method, create no tensor in __init__")
def modes(subject: MethodOnModel) -> Observation:
    """Create and call the method under ``no_grad``, ``inference_mode`` and ``enable_grad``."""
    plain = subject.maps()
    contexts: list[AbstractContextManager[object]] = [torch.no_grad(), torch.inference_mode(), torch.enable_grad()]
    answers = []
    for context in contexts:
        with context:
            answers.append(
                same(subject.maps(subject.images.clone()), plain, f"under {type(context).__name__} and outside")
            )
    return first_failure(answers)
