"""The sign of a principal component does not depend on the batch or on rounding."""

import pytest
import torch

from locus import backbones
from locus.methods._principal import first_component
from locus.methods.kpcacam import KPCACAM

COUNT = 334


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    coarse, fine = torch.randn(COUNT, 3, 4, 4, generator=generator), torch.randn(COUNT, 3, 64, 64, generator=generator)
    return torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear") + 0.3 * fine


def of_network(name, images):
    """Features by batches of 1, 7 and all images; a random transformer's sum over channels is a constant (LayerNorm)."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = backbones.build(name, 2, pretrained=False).train()
        model(images[:16])
        model.eval()
        return [torch.cat([model.features(part) for part in images.split(size)]).float() for size in (1, 7, COUNT)]


def random_positive(images):
    """Independent positive features."""
    return [torch.randn(COUNT, 24, 6, 6, generator=torch.Generator().manual_seed(0)).relu()]


FEATURES = {
    "random": random_positive,
    "transformer": lambda images: of_network("test_vit", images),
    "cnn": lambda images: of_network("custom", images),
}
MAPS = {
    "eigencam": first_component,
    **{kernel: lambda A, kernel=kernel: first_component(A, KPCACAM(kernel)._scores) for kernel in ("sigmoid", "rbf")},
}


@pytest.fixture(scope="module", params=FEATURES)
def versions(request, images):
    """Return the same features computed in several batches, and with float32 noise."""
    found = FEATURES[request.param](images)
    noise = torch.randn(found[0].shape, generator=torch.Generator().manual_seed(1))
    return [*found, found[0] * (1 + 1e-6 * noise)]


@pytest.mark.parametrize("maps", MAPS)
def test_signs_do_not_depend_on_the_batch(versions, maps):
    alone, *others = map(MAPS[maps], versions)
    assert (alone.flatten(1).norm(dim=1) > 0).all()
    for other in others:
        assert ((alone * other).sum((1, 2)) > 0).all()


@pytest.mark.parametrize("maps", ["eigencam", "sigmoid"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_sign_agrees_with_the_sum_of_the_features_in_any_units(maps, size):
    """The values of a kernel's component are small beside the features."""
    features = size * torch.randn(20, 24, 6, 6, generator=torch.Generator().manual_seed(0)).relu()
    for signed in (features, -features) if maps == "eigencam" else (features,):
        assert ((MAPS[maps](signed) * signed.sum(1)).sum((1, 2)) > 0).all()
