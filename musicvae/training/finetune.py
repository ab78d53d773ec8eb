"""Start of a run: a preset that fits the songs, and shipped weights if there are few songs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from musicvae.checkpoints import best_shipped, checkpoint_name, load_header
from musicvae.config.preset import Preset, load_preset, preset_names
from musicvae.data import Shards
from musicvae.data.batch import WindowBatcher, model_inputs
from musicvae.data.split import split_shards
from musicvae.errors import DataError
from musicvae.representation.bars import Bars
from musicvae.representation.preset_fit import vote_preset

MIN_WINDOWS = 500
"""With fewer training windows, a run starts from the weights of a shipped model."""
N_SAMPLED_SONGS = 64  # songs of a folder, evenly spread, that vote for a preset
MAX_LEARNING_RATE, MAX_WARMUP_STEPS, MAX_MINUTES = 2e-4, 20, 2.0  # docs/experiments.md
REPLAY_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """Preset of a run, the checkpoint it starts from if any, and the reasons, one line each."""

    preset: Preset
    weights: Path | None = None
    messages: tuple[str, ...] = ()


def start_from_checkpoint(checkpoint: Path, settings: Iterable[str] = ()) -> RunStart:
    """Return a start from a checkpoint's weights and preset. Raises `CheckpointError`."""
    preset = fine_tuning_preset(load_header(checkpoint).preset).with_settings(settings)
    return RunStart(preset=preset, weights=checkpoint)


def choose_start(
    shards: Shards, requested: Preset | None = None, settings: Iterable[str] = (), *, scratch: bool
) -> RunStart:
    """Choose preset and weights for the songs of a folder.

    Args:
        shards: the songs.
        requested: the preset to use; by default the one that fits most of the songs.
        settings: `section.key=value` for the preset.
        scratch: never start from trained weights. Otherwise a run with fewer than `MIN_WINDOWS`
            training windows starts from the shipped model of the preset; if there is none and no
            preset was requested, from the shipped model that fits the songs best.

    Raises `DataError` if no shipped preset can represent the songs.
    """
    messages: list[str] = []
    preset, settings, songs = requested, tuple(settings), sample_songs(shards)
    if preset is None:
        preset, share = _vote_shipped_preset(songs)
        messages.append(
            f"preset {preset.name}, the best fit for {share:.0%} of the songs; choose another "
            "with --preset"
        )
    preset = preset.with_settings(settings)
    n = count_windows(shards, preset)
    if scratch or n >= MIN_WINDOWS:
        return RunStart(preset=preset, messages=tuple(messages))
    few = f"fewer than {MIN_WINDOWS} training windows ({n})"
    shipped = best_shipped(preset.name, songs)
    if shipped is None and requested is None:
        shipped = best_shipped(None, songs)
    if shipped is None:
        messages.append(f"{few} and no shipped model to start from: expect a poor model")
        return RunStart(preset=preset, messages=tuple(messages))
    start = start_from_checkpoint(shipped, settings)
    shipped_preset = load_header(shipped).preset
    if not _can_start(start.preset, shipped_preset) or (
        requested and not _can_start(requested, shipped_preset)
    ):
        messages.append(
            f"{few}; the shipped {checkpoint_name(shipped)} has another architecture, so training "
            "starts from scratch"
        )
        return RunStart(preset=preset, messages=tuple(messages))
    messages.append(
        f"{few}: starting from the shipped {checkpoint_name(shipped)}, unless --from scratch"
    )
    return replace(start, messages=tuple(messages))


def fine_tuning_preset(preset: Preset) -> Preset:
    """Return a preset for fine-tuning: lower learning rate, shorter, with generative replay."""
    training = replace(
        preset.training,
        learning_rate=min(preset.training.learning_rate, MAX_LEARNING_RATE),
        warmup_steps=min(preset.training.warmup_steps, MAX_WARMUP_STEPS),
        minutes=min(preset.training.minutes, MAX_MINUTES),
        replay_share=REPLAY_SHARE,
    )
    return replace(preset, training=training)


def sample_songs(shards: Shards) -> list[Bars]:
    """Return up to about `N_SAMPLED_SONGS` songs, evenly spread over a folder."""
    stride = max(1, len(shards) // N_SAMPLED_SONGS)
    return [song.bars for nth, song in enumerate(shards) if nth % stride == 0]


def count_windows(shards: Shards, preset: Preset, enough: int = MIN_WINDOWS) -> int:
    """Count the training windows of a folder, and stop at `enough`."""
    count = 0
    assigned = split_shards(shards, preset.training.seed)
    for song, split in zip(shards, assigned, strict=True):
        if split == "train":
            inputs, _ = model_inputs(song.bars, preset)
            count += len(WindowBatcher(inputs, preset).window_starts(1)[0]) if inputs else 0
        if count >= enough:
            break
    return count


def _vote_shipped_preset(songs: list[Bars]) -> tuple[Preset, float]:
    presets = [preset for name in preset_names() if not (preset := load_preset(name)).denoises]
    preset, share = vote_preset(presets, songs)
    if not share:
        only_drums = all(part.is_drum for song in songs for part in song.header.parts)
        problem = ": they hold only drums" if only_drums else ""
        raise DataError(f"no shipped preset can represent these songs{problem}")
    return preset, share


def _can_start(preset: Preset, base: Preset) -> bool:
    """Return whether a network of a preset can start from weights of another one.

    Chords may be added to what it is conditioned on.
    """
    wanted, known = preset.conditions, base.conditions
    same = (preset.grid, preset.parts, preset.meters, preset.model)
    return same == (base.grid, base.parts, base.meters, base.model) and wanted in (
        known,
        replace(known, chords=True),
    )
