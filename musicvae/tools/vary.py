"""Variations of a song at a chosen distance from it."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Ints
from musicvae.attributes.form import form_labels, labels_by_window, self_similarity
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import ConfigError
from musicvae.latent import Encoding, Latents
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import check_bars, unrepresentable, with_barlines
from musicvae.networks.priors.conditioning import KnownLatents
from musicvae.representation.bars import Bars
from musicvae.song import Song

AMOUNT_EXPONENT = 1.25  # paces the amount so that notes change evenly


def vary(
    codec: Codec,
    song: Song | BarlineEstimate,
    *,
    amount: float = 0.5,
    temperature: float = 1.0,
    seed: int = 0,
) -> Song:
    """Return a variation of a song: the same length, meters, tempo, parts and programs.

    Args:
        song: of any length; notes that the model cannot represent stay unchanged.
        amount: 0 is the reconstruction, 1 another song over the same bars, sampled from the prior.
            With one seed, a larger amount is further from the song in the same direction.
        temperature: scale of the sampled noise; below 1 nearer to the typical.
        seed: the same seed gives the same notes, another one another variation.

    Raises `ConfigError` for an invalid amount, `DataError` if the model can represent no note.
    """
    if not 0 <= amount <= 1:
        raise ConfigError(f"amount {amount:g}: give a number from 0 to 1")
    barlines = with_barlines(song)
    encoding = codec.encode(barlines)
    check_bars(len(encoding.bars))
    if encoding.is_empty:
        raise unrepresentable(codec.preset, barlines.song)
    labels = bar_labels(barlines.song, codec)
    z = noise_latents(codec, encoding, amount, temperature=temperature, seed=seed, labels=labels)
    return codec.decode(encoding, z=z)


def bar_labels(song: Song, codec: Codec) -> Ints:
    """Return labels of a song's bars, equal where bars recur. `(N,)`"""
    bars = Bars.from_song(song).at(codec.preset.grid.steps_per_quarter)
    notes = bars.notes
    line = notes.part * 128 + notes.pitch
    similarity = self_similarity(notes.bar, notes.step, line, len(bars))
    return form_labels(similarity, codec.preset.grid.bars)


def noise_latents(
    codec: Codec,
    encoding: Encoding,
    amount: float,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    labels: Ints | None = None,
) -> Latents:
    """Return the path of a song, noised by `amount` and denoised by the prior. `(G, W, Z)`

    As in SDEdit (Meng et al. 2022), the result is a sample of the prior, the nearer to the song
    the less noise. Noise begins at half the spread of the posteriors: less would change nothing.
    Bars with one label in `labels` `(N,)` are varied alike, which keeps the form.
    """
    if amount == 0:
        return encoding.mu
    size, (G, W) = codec.preset.grid.bars, encoding.mu.shape[:2]
    known = KnownLatents(z=encoding.mu, bar_mask=np.full((G, W, size), amount < 1))
    used = encoding.sigma[encoding.sigma != 1]  # sigma is 1 for bars that a window lacks
    spread = float(np.median(used)) if used.size else 0.0
    least = spread / (2 + spread)  # here noise is half the spread, for latents of size 1
    share = least + (1 - least) * amount**AMOUNT_EXPONENT
    tiled = None if labels is None else labels_by_window(np.tile(labels, (G, 1)), size)
    return codec.sample_latents(
        codec.decoder_context(encoding),
        np.arange(G),
        temperature,
        np.random.default_rng(seed),
        known=known,
        bar_labels=tiled,
        amount=share,
    )
