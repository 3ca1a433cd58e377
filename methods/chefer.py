"""Chefer's relevance."""

import torch
from torch import Tensor

from methods.attention import Attention
from methods.base import AttentionMethod


class Chefer(AttentionMethod):
    """From which patches the tokens that the head reads have gathered what raises the logit, block by block; >= 0.

    ``R_l = R_(l-1) + mean_heads(ReLU(dS_k/dA_l * A_l)) R_(l-1)``, ``R_0 = I``; the map is the row of the tokens that
    the head reads, over patches. Source: Chefer et al., ICCV 2021, equations 5 and 6.

    One backward pass per finding. Only the row is computed, from the last block to the first. Trap: where the head
    pools the patches, the row begins with what each patch has of itself, a constant below the map.
    """

    name = "chefer"
    source = "Chefer et al., ICCV 2021, eq. 5-6"
    price = "a forward pass, a backward pass per finding"

    def relevance(self, attention: Attention, findings: int) -> Tensor:
        """(N,K,T)."""
        raised = attention.gradients(lambda A, G: (A * G).clamp(min=0).mean(1))
        return torch.stack([_followed(attention.rows, blocks) for blocks in raised], 1)


def _followed(row: Tensor, blocks: list[Tensor]) -> Tensor:
    """(T,) and (N,T,T) of each block -> (N,T)."""
    for block in reversed(blocks):
        row = row + (row.unsqueeze(-2) @ block).squeeze(-2)
    return row
