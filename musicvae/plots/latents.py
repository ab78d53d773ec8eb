"""Floor 9: a song as the model sees it: bits of each window, and its latents as a picture."""

from __future__ import annotations

from pathlib import Path
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
_MAX_DIMS = 64  # latents shown, those with most bits


def plot_latents(
    encoding: Encoding, path: str | Path, title: str = "", *, theme: Theme = LIGHT
) -> Path:
    """Draw the path of a song: bits of each window, and the latents that carry most of them.

    PNG, SVG or PDF by the suffix; returns the path. Raises `WriteError`.
    """
    style.check_suffix(path)
    with style.style_context():
        return style.save_figure(latents_figure(encoding, title, theme=theme), path)


def latents_figure(encoding: Encoding, title: str = "", *, theme: Theme = LIGHT) -> Figure:
    """The picture of `plot_latents` as a matplotlib `Figure`."""
    from matplotlib.ticker import MaxNLocator

    bits = kl_bits(encoding)
    each = bits.mean((0, 1)) if bits.size else np.zeros(encoding.mu.shape[2])
    if not each.any():  # points have no bits: by how far they spread
        each = encoding.mu.std((0, 1)) if encoding.mu.size else each
    shown = np.argsort(-each, kind="stable")[:_MAX_DIMS]
    G, W, Z = encoding.mu.shape
    tall = max(len(shown) * _ROW, 0.5)
    figure = style.new_figure(theme, _TOP + _BITS + G * (_GAP + tall) + _BOTTOM)
    facts = f"{W} windows of {Z} latents  ·  {encoding.kl_bits:,.0f} bits"
    facts += f"  ·  the {len(shown)} that tell most" * (len(shown) < Z)
    style.add_heading(figure, theme, title, facts)
    wide = WIDTH - LEFT - RIGHT
    edges = np.arange(W + 1) + 0.5
    upper = style.add_axes(figure, LEFT, _TOP, wide, _BITS)
    upper.bar(edges[:-1], bits.sum((0, 2)), 0.94, align="edge", color=theme.blue)
    style.style_axes(upper, theme)
    upper.set_ylabel("bits")
    upper.set_xticks([])
    far = 2.5
    for group in range(G):
        top = _TOP + _BITS + _GAP + group * (tall + _GAP)
        axes = style.add_axes(figure, LEFT, top, wide, tall)
        shades = style.colormap(theme.blue, theme.background, theme.red)
        axes.pcolormesh(
            edges,
            np.arange(len(shown) + 1),
            encoding.mu[group][:, shown].T,
            cmap=shades,
            vmin=-far,
            vmax=far,
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


def kl_bits(encoding: Encoding) -> NDArray[np.float64]:
    """Bits of each latent of each window `(G, W, Z)`; none for points."""
    mu, sigma = encoding.mu.astype(np.float64), encoding.sigma.astype(np.float64)
    if not sigma.all():
        return np.zeros(mu.shape)
    return np.asarray(0.5 * (mu**2 + sigma**2 - 1 - 2 * np.log(sigma)) / np.log(2))
