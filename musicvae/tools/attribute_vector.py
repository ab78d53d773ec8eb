"""Floor 8: directions of one's own: from labels of songs, a function, or two folders.

A linear measure of latents is fitted to what songs are labelled with, each window labelled as its
song is; its direction is the shortest move along which that measure rises. One step is a standard
deviation of it over the windows of these songs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.checkpoints import load_tensors, save_tensors
from musicvae.downbeats import BarlineEstimate
from musicvae.errors import CheckpointError, ConfigError, DataError
from musicvae.latent.codec import Codec
from musicvae.latent.directions import min_norm_direction
from musicvae.song import Song
from musicvae.tools.embed import SongEmbeddings, embed_song

Values = Sequence[float] | Sequence[str] | Callable[[Song], float]

_HINT = "make one with: musicvae direction"
_RIDGE = 0.1
_FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributeVector:
    """A way through the latent space of one model. `model.steer(song, directions=[(way, 1.5)])`"""

    name: str
    move: Floats
    """A step of one standard deviation. `(Z,)`"""
    weights: Floats
    """What of a latent is measured. `(Z,)`"""
    weights_hash: str
    """Which model it was found with."""
    held_out: float
    """Correlation of measure and label over songs that were left out in turn; nan for too few."""
    songs: int

    def save(self, path: str | Path) -> Path:
        """Write it as safetensors; the inverse is `load`. Raises `WriteError`."""
        told: dict[str, object] = {"name": self.name, "weights_hash": self.weights_hash}
        told |= {"held_out": None if np.isnan(self.held_out) else self.held_out}
        header = {"direction": told | {"songs": self.songs}}
        arrays = {"direction.move": self.move, "direction.weights": self.weights}
        return save_tensors(
            path, {n: torch.from_numpy(a).float() for n, a in arrays.items()}, header
        )

    @classmethod
    def load(cls, path: str | Path) -> AttributeVector:
        """Read what `save` wrote. Raises `CheckpointError`."""
        tensors, header = load_tensors(path, _HINT)
        told = header.get("direction")
        if not isinstance(told, dict) or "direction.move" not in tensors:
            reason = "not a direction"
            raise CheckpointError(path, reason, _HINT)
        held_out = told.get("held_out")
        return cls(
            name=str(told.get("name", "")),
            move=tensors["direction.move"].double().numpy(),
            weights=tensors["direction.weights"].double().numpy(),
            weights_hash=str(told.get("weights_hash", "")),
            held_out=float("nan") if held_out is None else float(held_out),
            songs=int(told.get("songs", 0)),
        )

    def checked(self, codec: Codec) -> AttributeVector:
        """Itself, if it is one of this model's. Raises `ConfigError`."""
        if self.weights_hash != weights_hash(codec) or len(self.move) != codec.vae.Z:
            where = codec.path or "this model"
            raise ConfigError(
                f"direction {self.name!r} was found with another model than {where}; say "
                "--checkpoint, or make it anew with: musicvae direction"
            )
        return self


def weights_hash(codec: Codec) -> str:
    """Twelve hexadecimal digits that stand for a model's weights, whatever lies beside them."""
    digest = hashlib.blake2b(digest_size=6)
    for name, tensor in sorted(codec.vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fit_attribute_vector(
    codec: Codec, songs: Sequence[Song | BarlineEstimate], values: Values, *, name: str = "own"
) -> AttributeVector:
    """`MusicVAE.direction_from`."""
    plain = [song.song if isinstance(song, BarlineEstimate) else song for song in songs]
    told: list[float | str]
    told = [values(song) for song in plain] if callable(values) else list(values)
    if len(told) != len(songs):
        raise ConfigError(f"{len(songs)} songs and {len(told)} values: give one for each")
    if not songs:
        raise DataError("a direction needs songs to be found from")
    found = [embed_song(codec, song, f"song {nth}") for nth, song in enumerate(songs, start=1)]
    return fit_from_embeddings(codec, SongEmbeddings.concatenate(found), labels_to_numbers(told), name=name)


def labels_to_numbers(labels: Sequence[float | str]) -> Floats:
    """Labels as numbers: numbers as they are, of two words the later in the alphabet as 1.

    Raises `ConfigError` for words that are more than two.
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


def fit_from_embeddings(codec: Codec, songs: SongEmbeddings, values: Floats, *, name: str) -> AttributeVector:
    """The direction along which `values` `(n,)` of these songs rise. Raises `DataError`."""
    if len(songs) < 2 or np.ptp(values) == 0:
        raise DataError("a direction needs at least two songs that are labelled differently")
    x, y = songs.mu.astype(float), values[songs.song]
    every = np.ones(len(x), bool)
    weights = _ridge(x, y, every)
    spread = x.var(0) + 1e-6
    step = float(np.std(x @ weights))
    return AttributeVector(
        name=name,
        move=min_norm_direction(weights, spread) * step,
        weights=weights,
        weights_hash=weights_hash(codec),
        held_out=_held_out(songs, x, values),
        songs=len(songs),
    )


def _ridge(x: Floats, y: Floats, use: NDArray[np.bool_]) -> Floats:
    x, y = x[use] - x[use].mean(0), y[use] - y[use].mean()
    square = x.T @ x / len(x)
    stiff = _RIDGE * float(np.trace(square)) / len(square) + 1e-9
    return np.asarray(np.linalg.solve(square + stiff * np.eye(len(square)), x.T @ y / len(x)))


def _held_out(songs: SongEmbeddings, x: Floats, values: Floats) -> float:
    """Correlation of value and measure over songs, each measured by weights fitted without it."""
    n = len(songs)
    if n < 2 * _FOLDS:
        return float("nan")
    fold = np.random.default_rng(0).permutation(n) % _FOLDS
    told = np.zeros(n)
    for out in range(_FOLDS):
        use = fold[songs.song] != out
        if not use.any() or use.all():
            continue
        embed_conditioning = songs.means((x @ _ridge(x, values[songs.song], use))[:, None])[:, 0]
        told[fold == out] = embed_conditioning[fold == out]
    if np.std(told) == 0:
        return 0.0
    return float(np.corrcoef(told, values)[0, 1])
