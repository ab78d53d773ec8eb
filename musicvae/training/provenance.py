"""Provenance of a checkpoint: its training songs, with the statistics that sampling needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import numpy as np

from musicvae.data import WindowDataset
from musicvae.swing import STRAIGHT


def provenance(windows: WindowDataset, source: str, precision: str) -> dict[str, Any]:
    """Return facts about the training songs for a checkpoint's header."""
    return {
        "musicvae": version("musicvae"),
        "source": source,
        "songs": len(windows.songs),
        "windows": len(windows),
        **statistics(windows),
        "precision": precision,
    }


def statistics(windows: WindowDataset) -> dict[str, Any]:
    """Return what sampled songs draw from the training songs.

    Their key (`keys`, counts by semitone), tempo (`qpm`, quartiles), meter (`meters`, counts of
    bars), pickup (`pickups`), swing (`swing`) and General MIDI programs (`programs`, the most
    frequent of each slot).
    """
    qpm = sorted(float(each.bars.header.tempo.qpm[0]) for each in windows.inputs)
    quartiles = [round(qpm[round(q * (len(qpm) - 1))], 1) for q in (0.25, 0.5, 0.75)]
    keys, n_keys = np.unique(windows.batcher.key, return_counts=True)
    bars = np.bincount(windows.batcher.meter, minlength=len(windows.preset.meters) + 1)[1:]
    meters = zip(windows.preset.meters, bars.tolist(), strict=True)
    return {
        "keys": dict(zip(map(str, keys.tolist()), n_keys.tolist(), strict=True)),
        "qpm": quartiles,
        "meters": {meter: count for meter, count in meters if count},
        "pickups": pickups(windows),
        "programs": programs(windows),
        "swing": swings(windows),
    }


def pickups(windows: WindowDataset) -> dict[str, dict[str, int]]:
    """Count the pickups of songs by meter, as fractions of a whole note; `0` is no pickup.

    A first bar in which no part of the song has a note is no pickup.
    """
    found: dict[str, Counter[str]] = {}
    songs = {each.path: each.bars.grid for each in windows.inputs}  # one grid for all its passes
    begins = np.isin(windows.batcher.offsets_bars[:-1], windows.batcher.concatenated[1].bar)
    sounding = {each.path for each, has in zip(windows.inputs, begins, strict=True) if has}
    for path, grid in songs.items():
        meter = f"{grid.numerator[0]}/{grid.denominator[0]}"
        is_pickup = bool(grid.lead_steps[0]) and path in sounding
        steps = int(grid.unmasked_steps[0]) if is_pickup else 0
        fraction = Fraction(steps, 4 * grid.steps_per_quarter)
        found.setdefault(meter, Counter())[str(fraction)] += 1
    return {meter: dict(count.most_common()) for meter, count in sorted(found.items())}


def programs(windows: WindowDataset) -> list[int]:
    """Return for each slot the program that most bars of its parts have, the preset's without."""
    slots = windows.preset.parts
    counts = [Counter[int]() for _ in slots]
    for each in windows.inputs:
        parts, active = each.bars.header.parts, each.active.sum(0).tolist()
        for slot, part in enumerate(each.model_pass.source_part.tolist()):
            if part >= 0:
                counts[slot][parts[part].program] += active[slot]
    return [
        count.most_common(1)[0][0] if count and slot.kind != "drums" else slot.program
        for count, slot in zip(counts, slots, strict=True)
    ]


def swings(windows: WindowDataset) -> dict[str, int]:
    """Count the swings of songs, such as `2:1 in eighths` to a tenth; `straight` is none."""
    songs = {each.path: each.bars.header.swing for each in windows.inputs}
    found = Counter(
        STRAIGHT if swing is None else str(replace(swing, ratio=round(swing.ratio, 1)))
        for swing in songs.values()
    )
    return dict(found.most_common())
