"""LeGrad."""

import torch
from torch import Tensor

from locus.methods.base import AttentionMethod
from locus.methods.evidence import Attention


class LeGrad(AttentionMethod):
    """Patches for which more attention would raise the score, averaged over blocks; values >= 0.

    ``L_k = mean_l mean_heads mean_rows ReLU(ds_kl/dA_l)``, s_kl the score of block l: the network's last norm and head
    applied to its tokens; over patches. Source: Bousselham et al., ICCV 2025 (arXiv:2404.03214), equations 7 to 9.

    Rows that the head does not read have no gradient, so the mean over all rows equals that of the rows read, up to a
    factor. One forward pass, with the head applied to the tokens of every block; each gradient passes through one block
    only. Caveat: the head was not trained on the tokens of early blocks.
    """

    name = "legrad"
    source = "Bousselham et al., ICCV 2025, eq. 7-9"
    extra_cost = "a forward pass, a backward pass through one block per block and finding"
    other_packages = (
        "By default torchcam scores a block by the mean of all its tokens, even if the network reads the class token: "
        "for a random ViT of six blocks the rank correlation of the maps is .41 and masks at .5 have an overlap of "
        ".31. If it scores the class token, the maps are the same."
    )

    def relevance(self, attention: Attention, n_findings: int) -> Tensor:
        """Return the relevance of each token, (N,K,T)."""
        per_finding = attention.block_gradients(lambda A, G: G.clamp(min=0).mean((1, 2)))
        return torch.stack([torch.stack(blocks).mean(0) for blocks in per_finding], 1)
