"""Seeds of training steps."""

import pytest
import torch

from benchmark.training import module


@pytest.mark.oracle
def test_a_step_on_the_cpu_is_seeded_as_torch_seeds():
    torch.manual_seed(2**61 + 5)
    wanted = torch.rand(3), torch.randint(9, (3,))
    module._seed(2**61 + 5, torch.device("cpu"))
    assert all(map(torch.equal, wanted, (torch.rand(3), torch.randint(9, (3,)))))
