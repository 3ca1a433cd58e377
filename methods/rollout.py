"""Attention rollout."""

from torch import Tensor

from methods.attention import Attention
from methods.base import AttentionMethod


class Rollout(AttentionMethod):
    """From which patches the tokens that the head reads have gathered, block by block; one map for all findings; >= 0.

    ``R_l = (mean_heads A_l + I) / 2 * R_(l-1)``, ``R_0 = I``; the map is the row of the tokens that the head reads,
    over patches. Source: Abnar and Zuidema, ACL 2020, section 4 (equation 1).

    The identity stands for the residual connection. Only the row is computed, from the last block to the first. Where
    the head reads the class token it is that token's row; where it pools the patches, their mean row. Trap: blind to
    the finding, and to what is done with what was gathered.
    """

    name = "rollout"
    source = "Abnar and Zuidema, ACL 2020, eq. 1"
    price = "a forward pass"

    def relevance(self, attention: Attention, findings: int) -> Tensor:
        """(N,K,T), the same for all."""
        row = attention.rows
        for mean in reversed(attention.blocks(lambda A: A.mean(1))):
            row = (row + (row.unsqueeze(-2) @ mean).squeeze(-2)) / 2  # (N, T)
        return row.unsqueeze(1).repeat(1, findings, 1)
