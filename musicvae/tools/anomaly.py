"""Floor 8: how unusual a song is, bar by bar and part by part, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicvae.arrays import Floats
from musicvae.downbeats import BarlineEstimate
from musicvae.latent.codec import Codec
from musicvae.latent.song_input import SongInput, read
from musicvae.latent.surprisal import FEATURES, ReferenceStats, stack_features, surprisal
from musicvae.song import Song
from musicvae.tools.anomaly_reasons import bar_measures, reasons


@dataclass(frozen=True, kw_only=True)
class BarAnomaly:
    """One bar of one part."""

    bar: int
    """Counts from 1; a pickup is bar 0."""
    part: int
    name: str
    oddity: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class AnomalyReport:
    """How unusual each bar of a song is, in deviations from what is usual; more is odder."""

    song: Song
    oddity: float
    """Of the whole song, in deviations from songs."""
    numbers: NDArray[np.int64]  # (N,) of bars, as a musician counts them
    bars: Floats  # (N,) nan where nothing is heard
    parts: Floats  # (N, P)
    deviations: Floats  # (N, P, F) of each of `FEATURES`
    odd: tuple[BarAnomaly, ...]
    """Every bar of every part that sounds, the oddest first."""
    against: str
    """What it is compared with: `corpus`, or `song` where the model does not know its corpus."""
    n_passthrough: int

    def to_dict(self, most: int = 10) -> dict[str, Any]:
        """Plain data, with reasons for the `most` unusual bars."""
        return {
            "oddity": round(self.oddity, 3),
            "against": self.against,
            "features": list(FEATURES),
            "bars": [
                {
                    "bar": int(number),
                    "oddity": _number(self.bars[n]),
                    "parts": [
                        None
                        if not np.isfinite(self.parts[n, p])
                        else {
                            "oddity": _number(self.parts[n, p]),
                            "deviations": [_number(z) for z in self.deviations[n, p]],
                        }
                        for p in range(self.parts.shape[1])
                    ],
                }
                for n, number in enumerate(self.numbers.tolist())
            ],
            "unusual": [
                {**vars(each), "oddity": round(each.oddity, 3), "reasons": list(each.reasons)}
                for each in self.odd[:most]
            ],
            "part_names": [part.name for part in self.song.parts],
        }


def anomalies(codec: Codec, song: Song | BarlineEstimate) -> AnomalyReport:
    """`MusicVAE.score`."""
    reading = read(codec, song)
    values, improbable = _features(codec, reading)
    known = ReferenceStats.from_dict(codec.provenance.get("norms", {}))
    norms = known or ReferenceStats.of([values])
    if norms is None:  # a single bar: nothing to compare it with
        flat = np.zeros(len(FEATURES))
        norms = ReferenceStats(mean=flat, spread=flat + 1, song=(0.0, 1.0))
    deviations, parts = norms.deviations(values), norms.oddity(values)
    missing = np.exp(values[..., FEATURES.index("missing")])
    bars = combine_part_scores(parts)
    heard = parts[np.isfinite(parts)]
    mean, spread = norms.song
    grid = reading.bars.grid
    numbers = np.arange(len(grid)) + int(len(grid) > 0 and grid.lead_steps[0] == 0)
    return AnomalyReport(
        song=reading.aligned.song,
        oddity=float((heard.mean() - mean) / spread) if len(heard) else float("nan"),
        numbers=numbers,
        bars=bars,
        parts=parts,
        deviations=deviations,
        odd=_odd(reading, parts, deviations, missing, improbable, numbers),
        against="song" if known is None else "corpus",
        n_passthrough=reading.n_passthrough,
    )


def combine_part_scores(parts: Floats) -> Floats:
    """The oddity of bars from that of their parts `(N, P)`: midway from the mean to the oddest."""
    sounding = np.isfinite(parts)
    some = sounding.any(1)
    mean = np.where(sounding, parts, 0).sum(1) / np.maximum(sounding.sum(1), 1)
    most = np.where(sounding, parts, -np.inf).max(1, initial=-np.inf)
    return np.where(some, 0.5 * (mean + np.where(some, most, 0)), np.nan)


def _features(
    codec: Codec, reading: SongInput
) -> tuple[Floats, dict[tuple[int, int], list[tuple[float, float, int, bool]]]]:
    """Features of bars and parts of the song `(N, P, F)`, the oddest lane of a part counting; and
    how probable each note of a bar and part is.
    """
    grid = reading.bars.grid
    shape = (len(grid), len(reading.bars.header.parts), len(FEATURES))
    values = np.full(shape, np.nan)
    improbable: dict[tuple[int, int], list[tuple[float, float, int, bool]]] = {}
    for found in surprisal(codec.vae, reading.sources):
        owner, mine = found.source.group.owner, stack_features(found.features)
        for slot in np.flatnonzero(owner >= 0).tolist():
            part = int(owner[slot])
            values[:, part] = np.fmax(values[:, part], mine[:, slot])
        notes, (cell, slots, column) = found.source.group.notes, found.belief.heard
        p = found.belief.probability[cell, slots, column]
        beat = 1 + notes.step * grid.denominator[notes.bar] / (4 * grid.steps_per_quarter)
        for i in np.flatnonzero(p < 0.2).tolist():
            at = (int(notes.bar[i]), int(owner[slots[i]]))
            drum = bool(found.belief.drums[slots[i]])
            told = (float(beat[i]), float(p[i]), int(notes.pitch[i]), drum)
            improbable.setdefault(at, []).append(told)
    return values, improbable


def _odd(
    reading: SongInput,
    parts: Floats,
    deviations: Floats,
    missing: Floats,
    improbable: dict[tuple[int, int], list[tuple[float, float, int, bool]]],
    numbers: NDArray[np.int64],
) -> tuple[BarAnomaly, ...]:
    plain = bar_measures(reading.bars)
    found = []
    for n, part in np.argwhere(np.isfinite(parts)).tolist():
        why = reasons(
            deviations[n, part],
            float(missing[n, part]),
            {word: float(values[n, part]) for word, values in plain.items()},
            improbable.get((n, part), []),
        )
        name = reading.bars.header.parts[part].name or f"part {part + 1}"
        found.append(
            BarAnomaly(
                bar=int(numbers[n]),
                part=part,
                name=name,
                oddity=float(parts[n, part]),
                reasons=tuple(why),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.oddity, each.bar, each.part)))


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
