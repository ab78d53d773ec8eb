"""Figure of the latents of a song: KL of each window, and a heat map of latent means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicvae.plots import style
from musicvae.plots.style import LEFT, RIGHT, WIDTH
from musicvae.plots.themes import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from musicvae.latent import Encoding

_TOP, _BITS, _GAP, _ROW, _BOTTOM = 0.78, 1.0, 0.34, 0.045, 0.5  # inches
_MAX_DIMS = 64  # latent dimensions drawn, those with the largest KL
_MAX_MU = 2.5  # range of the color map


def latents_figure(encoding: Encoding, title: str = "", *, theme: Theme = LIGHT) -> Figure:
    """Draw the KL of each window in bits, and the means of the latents with the largest KL.

    An encoding has G groups of W windows of Z latents, `mu` and `sigma` `(G, W, Z)`.
    """
    from matplotlib.ticker import MaxNLocator

    bits = kl_bits(encoding)
    relevance = bits.mean((0, 1)) if bits.size else np.zeros(encoding.mu.shape[2])
    if not relevance.any():  # an autoencoder has no KL: sort by standard deviation
        relevance = encoding.mu.std((0, 1)) if encoding.mu.size else relevance
    dims = np.argsort(-relevance, kind="stable")[:_MAX_DIMS]
    G, W, Z = encoding.mu.shape
    height = max(len(dims) * _ROW, 0.5)
    figure = style.new_figure(theme, _TOP + _BITS + G * (_GAP + height) + _BOTTOM)
    facts = f"{W} windows of {Z} latents  ·  {encoding.kl_bits:,.0f} bits"
    facts += f"  ·  the {len(dims)} with the largest KL" * (len(dims) < Z)
    style.add_heading(figure, theme, title, facts)
    width = WIDTH - LEFT - RIGHT
    edges = np.arange(W + 1) + 0.5
    upper = style.add_axes(figure, LEFT, _TOP, width, _BITS)
    upper.bar(edges[:-1], bits.sum((0, 2)), 0.94, align="edge", color=theme.blue)
    style.style_axes(upper, theme)
    upper.set_ylabel("bits")
    upper.set_xticks([])
    colors = style.colormap(theme.blue, theme.background, theme.red)
    for group in range(G):
        top = _TOP + _BITS + _GAP + group * (height + _GAP)
        axes = style.add_axes(figure, LEFT, top, width, height)
        axes.pcolormesh(
            edges,
            np.arange(len(dims) + 1),
            encoding.mu[group][:, dims].T,
            cmap=colors,
            vmin=-_MAX_MU,
            vmax=_MAX_MU,
            rasterized=True,
        )
        axes.invert_yaxis()
        style.style_axes(axes, theme)
        axes.set_yticks([])
        axes.set_ylabel("latents" if G == 1 else f"group {group + 1}")
        axes.set_xlim(edges[0], max(edges[-1], edges[0] + 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if group == G - 1:
            axes.set_xlabel("window")
    upper.set_xlim(edges[0], max(edges[-1], edges[0] + 1))
    return figure


plot_latents = style.saved_figure(latents_figure)
"""Write the latents of a song to a PNG, SVG or PDF file; see `latents_figure`."""


def kl_bits(encoding: Encoding) -> NDArray[np.float64]:
    """Return the KL of each latent from N(0, 1) in bits `(G, W, Z)`, 0 where sigma is 0."""
    mu, sigma = encoding.mu.astype(np.float64), encoding.sigma.astype(np.float64)
    if not sigma.all():
        return np.zeros(mu.shape)
    return np.asarray(0.5 * (mu**2 + sigma**2 - 1 - 2 * np.log(sigma)) / np.log(2))
