"""Floor 5: the layer of a flow: bars look at each other, told the time of the way."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_HEAD = 32


class FlowBlock(nn.Module):
    """Attention between bars, then an MLP, both scaled, shifted and gated by the time."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD)
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.apart = nn.Parameter(torch.zeros(self.heads, 2 * context - 1))
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.own = nn.Parameter(torch.zeros(6 * width))
        with torch.no_grad():
            self.own[2 * width : 3 * width] = 0.5  # gates begin half open
            self.own[5 * width :] = 0.5

    def forward(self, h: Tensor, change: Tensor, seen: Tensor) -> Tensor:
        """`h` `(B, T, width)`, `change` `(B, T, 6 * width)`, `seen` `(B, T)`; the same shape."""
        a, b, gate, c, d, gate_too = (change + self.own).chunk(6, -1)
        T, width = h.shape[1:]
        y = F.layer_norm(h, (width,)) * (1 + a) + b
        q, k, v = self.mix(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        place = torch.arange(T, device=h.device)
        apart = self.apart[:, place[:, None] - place + self.apart.shape[1] // 2]  # (heads, T, T)
        bias = apart + seen[:, None, None]  # (B, heads, T, T)
        with torch.autocast(h.device.type, enabled=False):  # so few bars are quicker in float32
            looked = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), bias)
        heard = looked.transpose(1, 2).flatten(2)
        h = h + gate * self.out(heard)
        y = F.layer_norm(h, (width,)) * (1 + c) + d
        out: Tensor = h + gate_too * self.narrow(F.gelu(self.widen(y)))
        return out
