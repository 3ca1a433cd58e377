"""Attention of the last block."""

from torch import Tensor

from locus.methods.base import AttentionMethod
from locus.methods.evidence import Attention


class LastAttention(AttentionMethod):
    """Attention of the tokens that the head reads in the last block, mean over heads; one map for all findings; >= 0.

    ``L = rows * mean_heads A_L``, A_L the matrix of the last block, over patches. Source: Caron et al., ICCV 2021,
    figure 1 (there head by head).

    The class token's row if the head reads that token, the patches' mean row if it pools them. Caveat: independent of
    the finding, of all blocks but the last, and of the values that are attended to.
    """

    name = "attention"
    source = "Caron et al., ICCV 2021, fig. 1"
    extra_cost = "a forward pass"

    def relevance(self, attention: Attention, n_findings: int) -> Tensor:
        """Return the relevance of each token, (N,K,T), the same for all findings."""
        last = attention.blocks(lambda A: A.mean(1))[-1]
        row = (attention.rows.unsqueeze(-2) @ last).squeeze(-2)  # (N, T)
        return row.unsqueeze(1).repeat(1, n_findings, 1)
