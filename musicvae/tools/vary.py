"""Floor 8: variations of a song, as near to it or as far from it as asked."""

from __future__ import annotations

import numpy as np

from musicvae.arrays import Ints
from musicvae.attributes.form import labels_by_window, form_labels, self_similarity
from musicvae.downbeats import BarlineEstimate, estimate_barlines
from musicvae.errors import ConfigError, DataError
from musicvae.latent import Encoding, Latents
from musicvae.latent.codec import Codec
from musicvae.networks.priors.conditioning import KnownLatents
from musicvae.representation.bars import Bars
from musicvae.song import Song

_CURVE = 1.25  # how the way is paced, so that notes change evenly along it


def vary(
    codec: Codec, song: Song | BarlineEstimate, *, amount: float, temperature: float, seed: int
) -> Song:
    """`MusicVAE.vary`."""
    if not 0 <= amount <= 1:
        raise ConfigError(f"amount {amount:g}: give a number from 0 to 1")
    aligned = song if isinstance(song, BarlineEstimate) else estimate_barlines(song)
    encoding = codec.encode(aligned)
    if not encoding.owners or not len(encoding.bars):
        raise DataError(
            f"the song has nothing that preset {codec.preset.name} can represent; choose another "
            "--checkpoint"
        )
    tied = bar_labels(aligned.song, codec)
    z = noise_latents(codec, encoding, amount, temperature=temperature, seed=seed, tied=tied)
    return codec.decode(encoding, z=z)


def bar_labels(song: Song, codec: Codec) -> Ints:
    """Labels of a song's bars, alike where it comes back to what it had. `(N,)`"""
    bars = Bars.from_song(song).at(codec.preset.grid.steps_per_quarter)
    notes = bars.notes
    alike = self_similarity(notes.bar, notes.step, notes.part * 128 + notes.pitch, len(bars))
    return form_labels(alike, codec.preset.grid.bars)


def noise_latents(
    codec: Codec,
    encoding: Encoding,
    amount: float,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    tied: Ints | None = None,
) -> Latents:
    """The path of a song `amount` of the way to another song of the same bars. `(G, W, Z)`

    Bars of one label in `tied` `(N,)` are varied alike, so that the form stays.

    The way is the prior's own: noise is mixed into the latents and taken out again, so that
    whatever comes out is a path as the prior draws them, the nearer to the song the less noise. It
    begins with half as much noise as the posteriors have themselves: less would change nothing.
    """
    if amount == 0:
        return encoding.mu
    size, (G, W) = codec.preset.grid.bars, encoding.mu.shape[:2]
    given = KnownLatents(z=encoding.mu, bars=np.ones((G, W, size), bool))
    if amount == 1:
        given = KnownLatents(z=encoding.mu, bars=np.zeros((G, W, size), bool))
    used = encoding.sigma[encoding.sigma != 1]  # bars that a window lacks have a sigma of 1
    spread = float(np.median(used)) if used.size else 0.0
    least = spread / (2 + spread)  # there noise is half as large, beside latents of size 1
    share = least + (1 - least) * amount**_CURVE
    rng = np.random.default_rng(seed)
    labels = None if tied is None else labels_by_window(np.tile(tied, (G, 1)), size)
    return codec.sample_latents(
        codec.decoder_context(encoding),
        np.arange(G),
        temperature,
        rng,
        given=given,
        tied=labels,
        amount=share,
    )
