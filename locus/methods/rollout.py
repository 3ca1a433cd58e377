"""Attention rollout."""

from torch import Tensor

from locus.methods.base import AttentionMethod
from locus.methods.evidence import Attention


class Rollout(AttentionMethod):
    """Attention, propagated block by block to the tokens that the head reads; one map for all findings; values >= 0.

    ``R_l = (mean_heads A_l + I) / 2 * R_(l-1)``, ``R_0 = I``; the map is the row of the tokens that the head reads,
    over patches. Source: Abnar and Zuidema, ACL 2020, section 4 (equation 1).

    The identity represents the residual connection. Only this row is computed, from the last block to the first: the
    class token's row if the head reads that token, the patches' mean row if it pools them. Caveat: independent of the
    finding and of all layers but attention.
    """

    name = "rollout"
    source = "Abnar and Zuidema, ACL 2020, eq. 1"
    extra_cost = "a forward pass"

    def relevance(self, attention: Attention, n_findings: int) -> Tensor:
        """Return the relevance of each token, (N,K,T), the same for all findings."""
        row = attention.rows
        for mean in reversed(attention.blocks(lambda A: A.mean(1))):
            row = (row + (row.unsqueeze(-2) @ mean).squeeze(-2)) / 2  # (N, T)
        return row.unsqueeze(1).repeat(1, n_findings, 1)
