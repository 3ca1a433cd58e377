"""LeGrad."""

import torch
from torch import Tensor

from methods.attention import Attention
from methods.base import AttentionMethod


class LeGrad(AttentionMethod):
    """Patches whose attention, if increased in any block, would raise that block's own score; values >= 0.

    ``L_k = mean_l mean_heads mean_rows ReLU(ds_kl/dA_l)``, s_kl the score of block l's tokens behind the network's own
    last norm and head; over patches. Source: Bousselham et al., ICCV 2025 (arXiv:2404.03214), equations 7 to 9.

    Rows that the head does not read have no gradient, so the mean over all rows equals that of the rows read, up to a
    factor. One forward pass, with the head applied to every block's tokens; each gradient runs through one block only.
    Trap: early blocks' tokens were never trained as input of the head. By default the torchcam package scores the mean
    of all tokens, even if the network reads its class token.
    """

    name = "legrad"
    source = "Bousselham et al., ICCV 2025, eq. 7-9"
    price = "a forward pass, a backward pass per finding that ends at each block"
    differs = (
        "By default torchcam scores a block by the mean of all its tokens: for a random ViT of six blocks that reads "
        "its class token, the maps' ranks agree by .41 and masks at .5 overlap by .31. With the class token as its "
        "score it is the same."
    )

    def relevance(self, attention: Attention, findings: int) -> Tensor:
        """Return the relevance of each token, (N,K,T)."""
        per_finding = attention.block_gradients(lambda A, G: G.clamp(min=0).mean((1, 2)))
        return torch.stack([torch.stack(blocks).mean(0) for blocks in per_finding], 1)
