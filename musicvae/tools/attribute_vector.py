"""Attribute vectors: directions of the latent space fitted to labels of songs.

A linear measure of latents is fitted to the labels by ridge regression, each window labeled as its
song. The attribute vector is the step of least norm along which the measure increases by one
standard deviation over the windows of these songs. Attribute vectors are from Roberts et al. 2018.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from musicvae.arrays import Bools, Floats
from musicvae.checkpoints import load_tensors, save_tensors
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import CheckpointError, ConfigError, DataError
from musicvae.latent.codec import Codec
from musicvae.latent.directions import min_norm_direction
from musicvae.song import Song
from musicvae.tools.embed import SongEmbeddings, embed_song

Labels = Sequence[float] | Sequence[str] | Callable[[Song], float]

RIDGE = 0.1  # as a share of the mean variance of latents
N_FOLDS = 5
_HINT = "make one with: musicvae direction"


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributeVector:
    """A direction of one model's latent space: `model.steer(song, directions=[(vector, 1.5)])`."""

    name: str
    vector: Floats
    """A step of one standard deviation. `(Z,)`"""
    weights: Floats
    """The linear measure. `(Z,)`"""
    weights_hash: str
    """Hash of the model's weights."""
    held_out_correlation: float
    """Correlation of measure and label in cross-validation; nan for too few songs."""
    n_songs: int
    """Number of songs it was fitted to."""

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file; the inverse is `load`. Raises `WriteError`."""
        correlation = self.held_out_correlation
        fields: dict[str, object] = {
            "name": self.name,
            "weights_hash": self.weights_hash,
            "held_out": None if np.isnan(correlation) else correlation,
            "songs": self.n_songs,
        }
        arrays = {"direction.move": self.vector, "direction.weights": self.weights}
        tensors = {name: torch.from_numpy(array).float() for name, array in arrays.items()}
        return save_tensors(path, tensors, {"direction": fields})

    @classmethod
    def load(cls, path: str | Path) -> AttributeVector:
        """Read a file that `save` wrote; raise `CheckpointError` for any other."""
        tensors, header = load_tensors(path, _HINT)
        fields = header.get("direction")
        vector, weights = (tensors.get(f"direction.{name}") for name in ("move", "weights"))
        if not isinstance(fields, dict) or vector is None or weights is None:
            raise CheckpointError(path, "not a direction", _HINT)
        name, digest = fields.get("name", ""), fields.get("weights_hash", "")
        correlation, n_songs = fields.get("held_out"), fields.get("songs", 0)
        is_valid = (
            vector.ndim == 1
            and vector.shape == weights.shape
            and (vector.is_floating_point() and weights.is_floating_point())
            and (isinstance(name, str) and isinstance(digest, str))
            and (correlation is None or (isinstance(correlation, float) and abs(correlation) <= 1))
            and (isinstance(n_songs, int) and 0 <= n_songs < 1 << 53)
        )
        if not is_valid:
            raise CheckpointError(path, "a damaged direction", _HINT)
        return cls(
            name=name,
            vector=vector.double().numpy(),
            weights=weights.double().numpy(),
            weights_hash=digest,
            held_out_correlation=float("nan") if correlation is None else correlation,
            n_songs=n_songs,
        )

    def check_model(self, codec: Codec) -> AttributeVector:
        """Return the vector itself; raise `ConfigError` if it is of another model."""
        if self.weights_hash != weights_hash(codec) or len(self.vector) != codec.vae.Z:
            where = codec.path or "this model"
            raise ConfigError(
                f"direction {self.name!r} is of another model than {where}; choose that one with "
                "--checkpoint, or make the direction again with: musicvae direction"
            )
        return self


def weights_hash(codec: Codec) -> str:
    """Return a hash of a model's weights alone, twelve hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=6)
    for name, tensor in sorted(codec.vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fit_attribute_vector(
    codec: Codec,
    songs: Sequence[Song | BarlineEstimate],
    labels: Labels,
    *,
    name: str = "own",
) -> AttributeVector:
    """Fit the direction along which labels of songs increase, for use with `steer`.

    Args:
        songs: two at least; some tens give better directions.
        labels: a number or a word for each song (two different words at most; the direction leads
            to the later one in the alphabet), or a function from a song to a number.
        name: name of the direction.

    Raises `ConfigError` for invalid labels, `DataError` if all are equal or the model can represent
    no note of a song.
    """
    plain = [song.song if isinstance(song, BarlineEstimate) else song for song in songs]
    values: list[float | str]
    values = [labels(song) for song in plain] if callable(labels) else list(labels)
    if len(values) != len(songs):
        raise ConfigError(f"{len(songs)} songs and {len(values)} labels: give one for each song")
    if not songs:
        raise DataError("no songs to fit a direction to; give at least two")
    found = [embed_song(codec, song, f"song {nth}") for nth, song in enumerate(songs, start=1)]
    numbers = labels_to_numbers(values)
    return fit_from_embeddings(codec, SongEmbeddings.concatenate(found), numbers, name=name)


def labels_to_numbers(labels: Sequence[float | str]) -> Floats:
    """Return labels as numbers; of two words the later one in the alphabet is 1, the other 0.

    Raises `ConfigError` for more than two words and for numbers that are not finite.
    """
    try:
        numbers = np.array([float(label) for label in labels])
    except ValueError:
        words = sorted({str(label) for label in labels})
        if len(words) != 2:
            shown = ", ".join(words[:6]) + (", ..." if len(words) > 6 else "")
            raise ConfigError(
                f"labels must be numbers or two words, these are {len(words)}: {shown}"
            ) from None
        numbers = np.array([float(str(label) == words[1]) for label in labels])
    if not np.isfinite(numbers).all():
        raise ConfigError("labels must be finite numbers")
    return numbers


def fit_from_embeddings(
    codec: Codec, songs: SongEmbeddings, values: Floats, *, name: str
) -> AttributeVector:
    """Fit the direction along which `values` `(n,)` of embedded songs increase.

    Raises `DataError` for fewer than two songs and for equal values.
    """
    if len(songs) < 2 or np.ptp(values) == 0:
        raise DataError("a direction needs at least two songs with different labels")
    x, y = songs.mu.astype(float), values[songs.song_index]
    weights = _ridge_regression(x, y, np.ones(len(x), bool))
    variance = x.var(0) + 1e-6
    std = float(np.std(x @ weights))
    return AttributeVector(
        name=name,
        vector=min_norm_direction(weights, variance) * std,
        weights=weights,
        weights_hash=weights_hash(codec),
        held_out_correlation=_cross_validate(songs, x, values),
        n_songs=len(songs),
    )


def _ridge_regression(x: Floats, y: Floats, use: Bools) -> Floats:
    x, y = x[use] - x[use].mean(0), y[use] - y[use].mean()
    covariance = x.T @ x / len(x)
    ridge = RIDGE * float(np.trace(covariance)) / len(covariance) + 1e-9
    gram = covariance + ridge * np.eye(len(covariance))
    return np.asarray(np.linalg.solve(gram, x.T @ y / len(x)))


def _cross_validate(songs: SongEmbeddings, x: Floats, values: Floats) -> float:
    """Return the correlation over songs of value and measure, fitted without the song."""
    n = len(songs)
    if n < 2 * N_FOLDS:
        return float("nan")
    fold = np.random.default_rng(0).permutation(n) % N_FOLDS
    measured = np.zeros(n)
    for out in range(N_FOLDS):
        use = fold[songs.song_index] != out
        if not use.any() or use.all():
            continue
        weights = _ridge_regression(x, values[songs.song_index], use)
        of_songs = songs.means((x @ weights)[:, None])[:, 0]
        measured[fold == out] = of_songs[fold == out]
    if np.std(measured) == 0:
        return 0.0
    return float(np.corrcoef(measured, values)[0, 1])
