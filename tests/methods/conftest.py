import pytest
import torch

import backbones

POOLINGS = ["AVG", "MAX", "LSE", "EXP", "LINEAR", "PCAM", "AVG_MAX", "AVG_MAX_LSE"]


def small_model(pool, classes=3, seed=0):
    """The small CNN with calibrated batch norm and weights of a trained head's size."""
    torch.manual_seed(seed)
    model = backbones.build("custom", classes, pool)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 96, 96))
        model.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model.eval()


@pytest.fixture
def make_model():
    return small_model


@pytest.fixture(params=POOLINGS)
def model(request):
    return small_model(request.param)


@pytest.fixture
def images():
    return torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(1))
