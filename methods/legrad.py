"""LeGrad."""

import torch
from torch import Tensor

from methods.attention import Attention
from methods.base import AttentionMethod


class LeGrad(AttentionMethod):
    """Patches from which more attention, in any block, would raise what the head makes of that block's tokens; >= 0.

    ``L_k = mean_l mean_heads mean_rows ReLU(ds_kl/dA_l)``, s_kl the score of block l's tokens behind the network's own
    last norm and head; over patches. Source: Bousselham et al., ICCV 2025 (arXiv:2404.03214), equations 7 to 9.

    Rows that the head does not read have no gradient, so the mean over all rows is theirs up to a factor. One forward
    pass, in which the head sees the tokens of all blocks; no gradient runs through more than one block. Trap: the early
    blocks' tokens were never trained to be read by the head. The torchcam package scores the mean of all tokens unless
    it is told how, also where the network reads its class token.
    """

    name = "legrad"
    source = "Bousselham et al., ICCV 2025, eq. 7-9"
    price = "a forward pass, a backward pass per finding that ends at each block"
    differs = (
        "torchcam takes a block's score of the mean of all its tokens unless it is given a score: for a random ViT of "
        "six blocks that reads its class token the maps' ranks agree by .41, masks at .5 overlap by .31. With the "
        "class token as its score it is the same."
    )

    def relevance(self, attention: Attention, findings: int) -> Tensor:
        """(N,K,T)."""
        per_finding = attention.block_gradients(lambda A, G: G.clamp(min=0).mean((1, 2)))
        return torch.stack([torch.stack(blocks).mean(0) for blocks in per_finding], 1)
