"""Floor 7: what a run begins from: a preset that suits the songs, and weights if they are few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from musicvae.checkpoints import name_of, nearest_shipped, preset_of, read_header
from musicvae.config.preset import Preset, load_preset, preset_names
from musicvae.data import Shards
from musicvae.data.batch import WindowCutter, sources_of
from musicvae.data.split import split as split_songs
from musicvae.errors import DataError
from musicvae.representation.bars import Bars
from musicvae.representation.preset_fit import most_wanted

FEW_WINDOWS = 500
"""With fewer windows to learn from than these, trained weights are a better beginning than none."""
_SOME_SONGS = 64  # of a folder, evenly spread, that are asked what suits them
_RATE, _WARMUP_STEPS, _MINUTES = 2e-4, 20, 2.0  # docs/experiments.md
_REHEARSAL = 0.5


@dataclass(frozen=True, kw_only=True)
class Start:
    """A preset, the checkpoint whose weights a run begins from if any, and why, in lines."""

    preset: Preset
    weights: Path | None = None
    told: tuple[str, ...] = ()


def start_from(checkpoint: Path, settings: Iterable[str] = ()) -> Start:
    """Begin from a checkpoint's weights, with its preset. Raises `CheckpointError`."""
    preset = fine_tuning(preset_of(read_header(checkpoint), checkpoint)).with_settings(settings)
    return Start(preset=preset, weights=checkpoint)


def start_for(
    shards: Shards, asked: Preset | None = None, settings: Iterable[str] = (), *, scratch: bool
) -> Start:
    """What to begin from, given what the folder holds.

    Args:
        shards: the songs.
        asked: the preset that was asked for; the one that suits most of the songs if not given.
        settings: `section.key=value` for the preset.
        scratch: never begin from trained weights. Otherwise fewer than `FEW_WINDOWS` windows to
            learn from begin from those of the nearest shipped model: the one of this preset; if no
            preset was asked for and it has none, the one that the songs fit best.

    Raises `DataError` if no shipped preset can represent the songs.
    """
    told: list[str] = []
    preset, settings, songs = asked, tuple(settings), some_songs(shards)
    if preset is None:
        preset, share = _suiting(songs)
        told.append(
            f"preset {preset.name}, which suits {share:.0%} of the songs best; choose another "
            "with --preset"
        )
    own = preset.with_settings(settings)
    n = n_windows(shards, own)
    if scratch or n >= FEW_WINDOWS:
        return Start(preset=own, told=tuple(told))
    few = f"fewer than {FEW_WINDOWS} windows to learn from ({n})"
    shipped = nearest_shipped(preset.name, songs)
    if shipped is None and asked is None:
        shipped = nearest_shipped(None, songs)
    if shipped is None:
        told.append(f"{few} and no shipped model to go on from: it will not learn much")
        return Start(preset=own, told=tuple(told))
    found = start_from(shipped, settings)
    theirs = preset_of(read_header(shipped), shipped)
    if _network(found.preset) != _network(theirs) or (
        asked and _network(asked) != _network(theirs)
    ):
        told.append(f"{few}; the shipped {name_of(shipped)} is another network, so from scratch")
        return Start(preset=own, told=tuple(told))
    told.append(f"{few}: going on from the shipped {name_of(shipped)}, unless --from scratch")
    return replace(found, told=tuple(told))


def fine_tuning(preset: Preset) -> Preset:
    """A preset as a run takes it that begins from trained weights: slower, shorter, and with
    rehearsal of what is known.
    """
    training = replace(
        preset.training,
        learning_rate=min(preset.training.learning_rate, _RATE),
        warmup_steps=min(preset.training.warmup_steps, _WARMUP_STEPS),
        minutes=min(preset.training.minutes, _MINUTES),
        rehearsal=_REHEARSAL,
    )
    return replace(preset, training=training)


def some_songs(shards: Shards) -> list[Bars]:
    """Songs of a folder, evenly spread over it."""
    every = max(1, len(shards) // _SOME_SONGS)
    return [song.bars for nth, song in enumerate(shards) if nth % every == 0]


def n_windows(shards: Shards, preset: Preset, enough: int = FEW_WINDOWS) -> int:
    """Windows to learn from; counting ends when there are `enough`."""
    found = 0
    place = split_songs(shards.clusters(), preset.training.seed)
    for song, where in zip(shards, place, strict=True):
        if where == "train":
            sources, _ = sources_of(song.bars, preset)
            found += len(WindowCutter(sources, preset).windows(1)[0]) if sources else 0
        if found >= enough:
            break
    return found


def _suiting(songs: list[Bars]) -> tuple[Preset, float]:
    presets = [preset for name in preset_names() if not (preset := load_preset(name)).repairs]
    preset, share = most_wanted(presets, songs)
    if not share:
        drums = all(part.is_drum for song in songs for part in song.frame.parts)
        what = "hold drums alone, which" if drums else "hold nothing that"
        raise DataError(f"these songs {what} no shipped preset learns")
    return preset, share


def _network(preset: Preset) -> tuple[object, ...]:
    """What trained weights must have in common with a preset to mean the same in it."""
    return preset.grid, preset.parts, preset.meters, preset.model
