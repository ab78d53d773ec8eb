"""Floor 5: attention over the quarters of a window, so that what repeats need be told only once.

Convolutions see a few quarters to each side. Tunes repeat their bars at a distance: with attention
(Vaswani et al. 2017) the encoder sees that a bar is an old one, and the decoder can look it up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """A residual layer: norm, `heads` of attention with a learned bias for each distance, linear.

    `reach`: the largest distance in quarters that has a bias of its own.
    """

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.distance = nn.Parameter(torch.zeros(heads, 2 * reach + 1))
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, window: Tensor) -> Tensor:
        """`x` `(n, width)`, `window` `(n,)` to which window each belongs, in order; as `x`."""
        count = torch.bincount(window)  # (B,)
        begin = count.cumsum(0) - count
        at = torch.arange(len(x), device=x.device) - begin[window]
        B, L = len(count), int(count.max())
        asked = self.ask(self.norm(x))  # (n, 3 * width)
        dense = asked.new_zeros(B, L, asked.shape[-1]).index_put((window, at), asked)
        q, k, v = dense.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, h, L, w)
        place = torch.arange(L, device=x.device)
        apart = (place - place[:, None]).clamp(-self.reach, self.reach) + self.reach
        real = place < count[:, None]  # (B, L)
        bias = self.distance[:, apart] + torch.where(real, 0.0, -1e4)[:, None, None]
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        y = found.transpose(1, 2).flatten(2)[window, at]  # (B, L, width) -> (n, width)
        out: Tensor = x + self.out(y)
        return out
