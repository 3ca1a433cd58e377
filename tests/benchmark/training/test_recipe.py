"""Optimizers and learning rate schedulers."""

from typing import get_args, get_type_hints

import pytest
import torch

from locus.benchmark.training import module
from locus.config import TrainConfig

HINTS = get_type_hints(TrainConfig)


def built(epochs=6, steps=2, **flags):
    config = TrainConfig(epochs=epochs, **flags)
    optimizer = module.build(config, [torch.nn.Parameter(torch.ones(1))])
    return optimizer, module.build_scheduler(config, optimizer, steps)


def rates(optimizer, course, steps):
    """The learning rates after each of these steps."""
    after = []
    for _ in range(steps):
        optimizer.step()
        course.step(*([1.0] if isinstance(course, torch.optim.lr_scheduler.ReduceLROnPlateau) else []))
        after.append(optimizer.param_groups[0]["lr"])
    return after


@pytest.mark.contract
@pytest.mark.parametrize("name", get_args(HINTS["optimizer"]))
def test_every_optimizer_takes_the_flags_it_knows_and_makes_a_step(name):
    optimizer, _ = built(optimizer=name, lr=0.1, weight_decay=0.5, amsgrad=True, momentum=0.3)
    weight = optimizer.param_groups[0]["params"][0]
    weight.sum().backward()
    optimizer.step()
    group = optimizer.param_groups[0]
    assert weight.item() < 1
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.5)
    assert group.get("amsgrad", True) is True
    assert group.get("momentum", 0.3) == 0.3


@pytest.mark.contract
@pytest.mark.parametrize("optimizer", get_args(HINTS["optimizer"]))
@pytest.mark.parametrize("scheduler", get_args(HINTS["scheduler"]))
def test_all_schedulers_work_with_all_optimizers(optimizer, scheduler):
    result = built(optimizer=optimizer, scheduler=scheduler)[1]
    assert (result is None) == (scheduler == "none")


@pytest.mark.byhand
def test_step_is_a_tenth_every_three_epochs():
    after = rates(*built(optimizer="SGD", scheduler="step", lr=1.0, steps=2), 12)
    assert after[1::2] == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01])


@pytest.mark.contract
@pytest.mark.parametrize("scheduler", [name for name in get_args(HINTS["scheduler"]) if name != "none"])
def test_scheduler_resumes_from_its_state(scheduler, tmp_path):
    whole, begun, resumed = (built(optimizer="SGD", scheduler=scheduler, lr=1.0, momentum=0.9) for _ in range(3))
    first = rates(*begun, 4)
    torch.save([part.state_dict() for part in begun], tmp_path / "state")
    for part, state in zip(resumed, torch.load(tmp_path / "state", weights_only=True), strict=True):
        part.load_state_dict(state)
    assert first + rates(*resumed, 5) == rates(*whole, 9)
