"""Transformer block of the flow, conditioned on time (adaLN, Peebles and Xie 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicvae.networks.layers import RelativeAttention


class FlowBlock(RelativeAttention):
    """Attention between bars, then an MLP; time scales, shifts and gates both."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__(width, context, affine_norm=False)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.own = nn.Parameter(torch.zeros(6 * width))  # bias of the modulation
        with torch.no_grad():
            self.own[2 * width : 3 * width] = 0.5  # gates begin half open
            self.own[5 * width :] = 0.5

    def forward(self, h: Tensor, modulation: Tensor, key_bias: Tensor) -> Tensor:
        """Return `h` `(B, T, width)` transformed.

        `modulation` `(B, T, 6 * width)` comes from the time, `key_bias` `(B, T)` masks bars.
        """
        scale, shift, gate, mlp_scale, mlp_shift, mlp_gate = (modulation + self.own).chunk(6, -1)
        h = h + gate * self.attend(self.norm(h) * (1 + scale) + shift, key_bias)
        y = self.norm(h) * (1 + mlp_scale) + mlp_shift
        out: Tensor = h + mlp_gate * self.narrow(F.gelu(self.widen(y)))
        return out
