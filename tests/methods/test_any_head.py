"""Fast methods on random heads and feature maps: odd sizes, single images, zero maps, negative features, huge logits."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locus import methods
from locus.explaining.batch import explain

pytestmark = pytest.mark.contract
WORDS = [word for word in methods.names() if methods.get(word).needs <= {"features", "gradients", "class_maps", "head"} and word != "pcam"]
POOLINGS = {"AVG": 1, "MAX": 1, "LSE": 1, "EXP": 1, "LINEAR": 1, "PCAM": 1, "AVG_MAX": 2, "AVG_MAX_LSE": 3}
cases = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "pool": st.sampled_from(sorted(POOLINGS)),
        "shape": st.tuples(*(st.integers(1, most) for most in (3, 9, 7, 7))),
        "findings": st.integers(1, 4),
        "size": st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
        "bias": st.sampled_from([-200.0, 0.0, 200.0]),
        "signed": st.booleans(),
    }
)
asked = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def drawn(on_features, case):
    """Return the head and the feature maps of a case."""
    random, channels = torch.Generator().manual_seed(case["seed"]), case["shape"][1]
    weight = torch.randn(case["findings"], POOLINGS[case["pool"]] * channels, generator=random)
    A = case["size"] * torch.randn(case["shape"], generator=random)
    bias = torch.full((case["findings"],), case["bias"])
    return on_features(case["pool"], weight, bias), A if case["signed"] else A.relu()


@given(cases)
@asked
def test_maps_are_finite_float32_of_the_right_shape_and_rectified_where_the_paper_says_so(on_features, case):
    model, A = drawn(on_features, case)
    words = [*WORDS, "pcam"] if case["pool"] == "PCAM" else WORDS
    for word, maps in explain(model, A, words).items():
        assert maps.shape == (len(A), case["findings"], *A.shape[-2:]), word
        assert maps.dtype == torch.float32, word
        assert maps.isfinite().all(), word
        assert maps.min() >= 0 or not methods.get(word).rectified, word


@given(cases)
@asked
def test_zero_features_give_zero_maps(on_features, case):
    model, A = drawn(on_features, case | {"size": 0.0})
    for word, maps in explain(model, A, [word for word in WORDS if methods.get(word).source != "baseline"]).items():
        assert (maps == 0).all(), word
