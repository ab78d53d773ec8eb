"""Anomaly detection: how unusual a song is, bar by bar and part by part, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from musicvae.arrays import Floats, Ints
from musicvae.downbeats import BarlineEstimate
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import SongInput
from musicvae.latent.surprisal import (
    FEATURE_KEYS,
    FEATURES,
    ReferenceStats,
    stack_features,
    surprisal,
)
from musicvae.song import Song
from musicvae.tools.anomaly_reasons import ImprobableNote, bar_measures, explain_bar

MAX_LISTED_PROBABILITY = 0.2  # of notes that are considered for the reasons


@dataclass(frozen=True, kw_only=True)
class BarAnomaly:
    """How unusual one bar of one part is, and why."""

    bar: int
    """Counts from 1; a pickup is bar 0."""
    part: int
    name: str
    """Of the part."""
    anomaly_score: float
    reasons: tuple[str, ...]
    """The strongest first."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data with rounded numbers."""
        return {
            "bar": self.bar,
            "part": self.part,
            "name": self.name,
            "oddity": round(self.anomaly_score, 3),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class AnomalyReport:
    """Anomaly scores of a song, its N bars and P parts: deviations from the reference.

    Scores are standard deviations; the higher, the more unusual.
    """

    song: Song
    anomaly_score: float
    """Of the whole song, in standard deviations over songs."""
    bar_numbers: Ints  # (N,) counted from 1, a pickup as 0
    bar_scores: Floats  # (N,) nan where the model represents nothing
    part_scores: Floats  # (N, P)
    deviations: Floats  # (N, P, F) of each of `surprisal.FEATURES`
    anomalies: tuple[BarAnomaly, ...]
    """All bars of all sounding parts, the most unusual first."""
    reference: str
    """What is compared with: `corpus`, or `song` if the checkpoint has no statistics of one."""
    n_passthrough: int
    """Number of notes that the model cannot represent."""

    def to_dict(self, most: int = 10) -> dict[str, Any]:
        """Return plain data, with reasons for the `most` unusual bars."""
        return {
            "oddity": round(self.anomaly_score, 3),
            "against": self.reference,
            "features": list(FEATURE_KEYS),
            "bars": [
                {
                    "bar": int(number),
                    "oddity": _round_finite(self.bar_scores[n]),
                    "parts": [
                        None
                        if not np.isfinite(self.part_scores[n, p])
                        else {
                            "oddity": _round_finite(self.part_scores[n, p]),
                            "deviations": [_round_finite(z) for z in self.deviations[n, p]],
                        }
                        for p in range(self.part_scores.shape[1])
                    ],
                }
                for n, number in enumerate(self.bar_numbers.tolist())
            ],
            "unusual": [each.to_dict() for each in self.anomalies[:most]],
            "part_names": [part.name for part in self.song.parts],
        }


def anomalies(codec: Codec, song: Song | BarlineEstimate) -> AnomalyReport:
    """Measure how unusual each bar of each part of a song is, and why.

    Scores are standard deviations from the mean over songs like the training songs, or over the
    song's own bars if the checkpoint has no such statistics. Needs a denoising model.

    Raises `ConfigError` for any other model, `DataError` if it can represent none of the notes.
    """
    source = SongInput.from_song(codec.preset, song).require_notes()
    values, improbable = _bar_features(codec, source)
    known = ReferenceStats.from_dict(codec.provenance.get("norms", {}))
    stats = known or ReferenceStats.from_features([values])
    if stats is None:  # a single bar has nothing to be compared with
        zeros = np.zeros(len(FEATURES))
        stats = ReferenceStats(mean=zeros, std=zeros + 1, song_mean_std=(0.0, 1.0))
    deviations, part_scores = stats.deviations(values), stats.anomaly_score(values)
    n_missing = np.exp(values[..., FEATURES.index("missing")])
    finite = part_scores[np.isfinite(part_scores)]
    mean, std = stats.song_mean_std
    grid = source.bars.grid
    numbers = np.arange(len(grid)) + int(len(grid) > 0 and grid.lead_steps[0] == 0)
    return AnomalyReport(
        song=source.barlines.song,
        anomaly_score=float((finite.mean() - mean) / std) if len(finite) else float("nan"),
        bar_numbers=numbers,
        bar_scores=combine_part_scores(part_scores),
        part_scores=part_scores,
        deviations=deviations,
        anomalies=_rank_bars(source, part_scores, deviations, n_missing, improbable, numbers),
        reference="song" if known is None else "corpus",
        n_passthrough=source.n_passthrough,
    )


def combine_part_scores(part_scores: Floats) -> Floats:
    """Return the scores of bars `(N,)`: midway between the mean and the maximum over `(N, P)`."""
    sounding = np.isfinite(part_scores)
    any_sounds = sounding.any(1)
    mean = np.where(sounding, part_scores, 0).sum(1) / np.maximum(sounding.sum(1), 1)
    most = np.where(sounding, part_scores, -np.inf).max(1, initial=-np.inf)
    return np.where(any_sounds, 0.5 * (mean + np.where(any_sounds, most, 0)), np.nan)


def _bar_features(
    codec: Codec, source: SongInput
) -> tuple[Floats, dict[tuple[int, int], list[ImprobableNote]]]:
    """Return features of bars and parts `(N, P, F)`, and improbable notes by bar and part.

    Of the slots of one part the most surprising one counts.
    """
    grid = source.bars.grid
    shape = (len(grid), len(source.bars.header.parts), len(FEATURES))
    values = np.full(shape, np.nan)
    improbable: dict[tuple[int, int], list[ImprobableNote]] = {}
    for found in surprisal(codec.vae, source.inputs):
        owner, own = found.model_input.model_pass.source_part, stack_features(found.features)
        for slot in np.flatnonzero(owner >= 0).tolist():
            part = int(owner[slot])
            values[:, part] = np.fmax(values[:, part], own[:, slot])
        notes, (cell, slots, column) = found.model_input.model_pass.notes, found.posterior.observed
        p = found.posterior.onset_probability[cell, slots, column]
        beat = 1 + notes.step * grid.denominator[notes.bar] / (4 * grid.steps_per_quarter)
        for i in np.flatnonzero(p < MAX_LISTED_PROBABILITY).tolist():
            at = (int(notes.bar[i]), int(owner[slots[i]]))
            is_drum = bool(found.posterior.is_drum[slots[i]])
            note = (float(beat[i]), float(p[i]), int(notes.pitch[i]), is_drum)
            improbable.setdefault(at, []).append(note)
    return values, improbable


def _rank_bars(
    source: SongInput,
    part_scores: Floats,
    deviations: Floats,
    n_missing: Floats,
    improbable: dict[tuple[int, int], list[ImprobableNote]],
    numbers: Ints,
) -> tuple[BarAnomaly, ...]:
    """Return all bars of all sounding parts with their reasons, the most unusual first."""
    measures = bar_measures(source.bars)
    found = []
    for n, part in np.argwhere(np.isfinite(part_scores)).tolist():
        reasons = explain_bar(
            deviations[n, part],
            float(n_missing[n, part]),
            {reason: float(values[n, part]) for reason, values in measures.items()},
            improbable.get((n, part), []),
        )
        found.append(
            BarAnomaly(
                bar=int(numbers[n]),
                part=part,
                name=source.bars.header.parts[part].name or f"part {part + 1}",
                anomaly_score=float(part_scores[n, part]),
                reasons=tuple(reasons),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.anomaly_score, each.bar, each.part)))


def _round_finite(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
