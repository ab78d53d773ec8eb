"""Floor 7: beats that nobody played: some drums of one window, the others of another.

Takes of one drummer are much alike, and a model that has heard few kits in few ways takes what it
does not know for a mistake. Drums of different takes played together are beats too.
"""

from __future__ import annotations

import numpy as np
import torch

from musicvae.data import Batch
from musicvae.networks.vae import rows_of, with_notes
from musicvae.song import Ints

WINDOW, PITCH = 0, 4


def kits_mixed(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """The batch with a `share` of its windows having some of their drums from another window.

    The other one is of the same bars. For every pitch it is drawn from which of the two windows it
    is taken. For batches of a single slot for drums.
    """
    B = len(batch.n_notes)
    other = _partners(batch, rng)
    mixed = (rng.random(B) < share) & (other != np.arange(B))
    rows = rows_of(batch)
    swapped = mixed[:, None] & (rng.random((B, 128)) < 0.5)  # pitches that come from the other
    own = rows[~swapped[rows[:, WINDOW], rows[:, PITCH]]]
    begin = np.searchsorted(rows[:, WINDOW], np.arange(B + 1))
    count = np.where(mixed, np.diff(begin)[other], 0)
    to = np.repeat(np.arange(B), count)
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    lent = rows[begin[other[to]] + nth]
    lent[:, WINDOW] = to
    lent = lent[swapped[to, lent[:, PITCH]]]
    every = np.concatenate([own, lent])
    every = every[np.lexsort((every[:, PITCH], every[:, 2], every[:, 1], every[:, 0]))]
    made = with_notes(batch, torch.from_numpy(every))
    sounds = batch.present.clone()
    sounds[torch.from_numpy(mixed)] |= batch.present[torch.from_numpy(other[mixed])]
    return made._replace(present=sounds)


def _partners(batch: Batch, rng: np.random.Generator) -> Ints:
    """For each window another one of the same bars, if there is one in the batch. `(B,)`"""
    frame = torch.cat([batch.steps, batch.lead, batch.meter], 1).numpy()
    kind = np.unique(frame, axis=0, return_inverse=True)[1].reshape(-1)
    other = np.arange(len(kind))
    for k in np.unique(kind).tolist():
        mine = rng.permutation(np.flatnonzero(kind == k))
        other[mine] = np.roll(mine, 1)
    return other
