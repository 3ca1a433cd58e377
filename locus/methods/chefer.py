"""Chefer's relevance."""

import torch
from torch import Tensor

from locus.methods.base import AttentionMethod
from locus.methods.evidence import Attention


class Chefer(AttentionMethod):
    """Attention that raises the logit, propagated block by block to the tokens that the head reads; values >= 0.

    ``R_l = R_(l-1) + mean_heads(ReLU(dS_k/dA_l * A_l)) R_(l-1)``, ``R_0 = I``; the map is the row of the tokens that
    the head reads, over patches. Source: Chefer et al., ICCV 2021, equations 5 and 6.

    One backward pass per finding. Only this row is computed, from the last block to the first. Caveat: if the head
    pools the patches, each patch starts with its own share of the row, which adds a constant to the map.
    """

    name = "chefer"
    source = "Chefer et al., ICCV 2021, eq. 5-6"
    extra_cost = "a forward pass, a backward pass per finding"

    def relevance(self, attention: Attention, n_findings: int) -> Tensor:
        """Return the relevance of each token, (N,K,T)."""
        per_finding = attention.gradients(lambda A, G: (A * G).clamp(min=0).mean(1))
        return torch.stack([_propagate(attention.rows, blocks) for blocks in per_finding], 1)


def _propagate(row: Tensor, blocks: list[Tensor]) -> Tensor:
    """Multiply the row (T,) through the blocks' matrices (N,T,T), last block first: (N,T)."""
    for block in reversed(blocks):
        row = row + (row.unsqueeze(-2) @ block).squeeze(-2)
    return row
