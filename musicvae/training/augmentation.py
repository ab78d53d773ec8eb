"""Drum augmentation: mix the instruments of two windows.

Takes of one drummer are similar, and a model trained on few kits takes unfamiliar beats for errors.
Drums of different takes played together are beats, too.
"""

from __future__ import annotations

import numpy as np
import torch

from musicvae.arrays import Ints, ragged_range
from musicvae.data import Batch
from musicvae.networks.vae import to_note_rows, with_notes
from musicvae.representation.note_table import BAR, PITCH, POSITION, WINDOW


def mix_drum_kits(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Replace some of the drums in a `share` of the windows by those of another window.

    The other window has the same bars. Each pitch is taken from either window with probability one
    half. For presets with a single slot, of drums.
    """
    B = len(batch.n_notes)
    partner = _random_partners(batch, rng)
    is_mixed = (rng.random(B) < share) & (partner != np.arange(B))
    rows = to_note_rows(batch)
    swapped = is_mixed[:, None] & (rng.random((B, 128)) < 0.5)  # pitches taken from the partner
    kept = rows[~swapped[rows[:, WINDOW], rows[:, PITCH]]]
    begin = np.searchsorted(rows[:, WINDOW], np.arange(B + 1))
    count = np.where(is_mixed, np.diff(begin)[partner], 0)
    window = np.repeat(np.arange(B), count)
    taken = rows[ragged_range(count, begin[partner])]
    taken[:, WINDOW] = window
    taken = taken[swapped[window, taken[:, PITCH]]]
    mixed = np.concatenate([kept, taken])
    mixed = mixed[np.lexsort(tuple(mixed[:, c] for c in (PITCH, POSITION, BAR, WINDOW)))]
    present = batch.present.clone()
    present[torch.from_numpy(is_mixed)] |= batch.present[torch.from_numpy(partner[is_mixed])]
    return with_notes(batch, torch.from_numpy(mixed))._replace(present=present)


def _random_partners(batch: Batch, rng: np.random.Generator) -> Ints:
    """Pair each window with another one of the same bars, or with itself if it has none, `(B,)`."""
    bars = torch.cat([batch.steps, batch.lead_steps, batch.meter], 1).numpy()
    group = np.unique(bars, axis=0, return_inverse=True)[1].reshape(-1)
    partner = np.arange(len(group))
    for each in np.unique(group).tolist():
        members = rng.permutation(np.flatnonzero(group == each))
        partner[members] = np.roll(members, 1)
    return partner
