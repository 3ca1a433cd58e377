"""Gradients of logits with respect to the feature map that they came from; the graph stays for the next call."""

import torch
from torch import Tensor


def vectorised(logits: Tensor, A: Tensor) -> Tensor:
    """(N,K) logits of A -> (N,K,C,h,w), by one backward pass; by K where an operation knows no batches of gradients.

    ``logits`` must depend on ``A`` through a graph that is still there; it stays.

    >>> A = torch.tensor([[[[2.0]]]], requires_grad=True)
    >>> vectorised(torch.cat([A.flatten(1), 3 * A.flatten(1)], dim=1), A).flatten().tolist()
    [1.0, 3.0]
    """
    n, k = logits.shape
    directions = torch.eye(k, device=A.device, dtype=logits.dtype).unsqueeze(1).expand(k, n, k)
    try:
        (G,) = torch.autograd.grad(logits, A, directions, retain_graph=True, is_grads_batched=True)
    except RuntimeError:
        return one_by_one(logits, A)
    return G.transpose(0, 1)  # (K, N, C, h, w) -> (N, K, C, h, w)


def one_by_one(logits: Tensor, A: Tensor) -> Tensor:
    """The same by one backward pass per finding: K times the time, the memory of one."""
    return torch.stack([torch.autograd.grad(logit.sum(), A, retain_graph=True)[0] for logit in logits.unbind(1)], dim=1)
