"""The façade: a trained model, and everything one can do with it.

In go a checkpoint's name and songs; out come songs, encodings and reports. Each method is a
function of `musicvae.tools`, where its documentation stands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from warnings import warn

from musicvae import checkpoints
from musicvae.downbeats import BarlineEstimate
from musicvae.latent.codec import Codec
from musicvae.networks.devices import in_one_thread, one_thread
from musicvae.song import Song
from musicvae.tools import (
    anomaly,
    attribute_vector,
    denoise,
    embed,
    explore,
    extend,
    groove,
    inpaint,
    interpolate,
    raw_latents,
    sample,
    steer,
    vary,
)
from musicvae.tools.sample import sample_stream

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _accept_old_keywords(
    **new_names: str,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator that accepts old keywords, with a `DeprecationWarning`."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            for old in new_names.keys() & kwargs.keys():
                new = new_names[old]
                _warn_renamed(f"the argument {old}", new)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate


def _renamed_method(old: str, new: str) -> Callable[..., Any]:
    """Return a method that calls the one of the new name, with a `DeprecationWarning`."""

    def method(self: MusicVAE, *args: Any, **kwargs: Any) -> Any:
        _warn_renamed(f"MusicVAE.{old}", f"MusicVAE.{new}")
        return getattr(self, new)(*args, **kwargs)

    method.__name__ = old
    method.__doc__ = f"Deprecated name of `{new}`."
    return method


def _warn_renamed(old: str, new: str) -> None:
    warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)


METHODS = (
    "encode", "decode", "reconstruct", "sample", "morph", "grid", "interpolate", "vary", "extend",
    "infill", "denoise", "anomalies", "humanize", "drumify", "attributes", "fit_attribute_vector",
    "steer", "steer_with_report", "embed", "decode_latents", "similar", "map",
)  # fmt: skip
"""Methods of `MusicVAE` that compute with the network."""


@in_one_thread(METHODS)
class MusicVAE(Codec):
    """A trained model. `MusicVAE.load()` returns one; everything else is a method of it.

    All methods are deterministic: the same arguments and seed give the same notes.
    """

    @classmethod
    def load(cls, name: str | Path | None = None, *, device: str = "auto") -> MusicVAE:
        """Load the checkpoint of a name or path, by default the newest under `./checkpoints`.

        Raises `CheckpointError` if there is none, or it cannot be read.
        """
        with one_thread():
            return cls(checkpoints.load(checkpoints.find(name)), device)

    def reconstruct(self, song: Song | BarlineEstimate) -> Song:
        """Encode a song and decode its posterior means."""
        return self.decode(self.encode(song))

    sample = _accept_old_keywords(settle="refine_steps")(sample.sample)
    sample_stream = sample_stream
    morph = interpolate.morph
    grid = interpolate.grid
    interpolate = interpolate.interpolate  # below the others: the name of their module
    vary = vary.vary
    extend = extend.extend
    infill = inpaint.infill
    denoise = _accept_old_keywords(damage="corruption")(denoise.denoise)
    anomalies = anomaly.anomalies
    humanize = groove.humanize
    drumify = groove.drumify
    attributes = steer.attributes
    fit_attribute_vector = attribute_vector.fit_attribute_vector
    steer_with_report = steer.steer_with_report
    steer = _accept_old_keywords(asked="changes")(steer.steer)
    embed = embed.embed
    decode_latents = raw_latents.decode_latents
    similar = explore.similar
    map = explore.map_songs

    continue_ = _renamed_method("continue_", "extend")
    humanise = _renamed_method("humanise", "humanize")
    score = _renamed_method("score", "anomalies")
    direction_from = _accept_old_keywords(values="labels")(
        _renamed_method("direction_from", "fit_attribute_vector")
    )
