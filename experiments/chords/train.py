"""Train the chord network on accompanied lead sheets and made progressions.

    python -m experiments.chords.train LEADSHEETS OUT [--songs N] [--epochs N] [--without STYLE ...]

Lead sheets are split by title. The transitions of the decoder are counted on the chords of the
training songs.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from experiments.chords.accompaniment import STYLES, accompany_lead_sheet, made_song
from experiments.chords.states import chord_states, count_transitions
from musicvae.arrays import Floats32, Ints
from musicvae.errors import ReadError
from musicvae.harmony.features import N_ROTATED, N_SHARED, beat_features, find_beats, measure_notes
from musicvae.harmony.network import ESTIMATED
from musicvae.io import read
from musicvae.representation.grid import STORED_STEPS_PER_QUARTER, grid_from_song
from musicvae.song import Song
from musicvae.storage import write_bytes

MIN_CHORDS = 4


@dataclass(frozen=True, kw_only=True)
class Example:
    """Features of the beats of a song, the state of each (-1 for none), and their strength."""

    rotated: Floats32
    shared: Floats32
    state: Ints
    strength: Ints


def lead_sheets(folder: Path, split: str) -> list[Song]:
    """Return the lead sheets of a split: nine tenths of the titles are for training."""
    songs = []
    for path in sorted(folder.rglob("*.mxl")):
        digest = hashlib.blake2b(path.stem.lower().encode(), digest_size=4).digest()
        place = int.from_bytes(digest) % 10
        if split != ("test" if place == 0 else "valid" if place == 1 else "train"):
            continue
        try:
            song = read(path)
        except ReadError:
            continue
        if len(song.chords) >= MIN_CHORDS:
            songs.append(song)
    return songs


def make_example(song: Song) -> Example:
    """Return the example of a song with its chords; a beat has the chord of most of its time."""
    beats = find_beats(grid_from_song(song, STORED_STEPS_PER_QUARTER))
    rotated, shared = beat_features(measure_notes(song, beats), beats)
    edges = np.append(beats.start_ticks, beats.end_ticks)
    entry = song.chords.entry_at((edges[:-1] + edges[1:]) // 2)
    state = np.full(len(beats), -1, np.int64)
    known = entry >= 0
    found = chord_states(song.chords.root, song.chords.quality)
    state[known] = found[entry[known]]
    return Example(
        rotated=rotated.astype(np.float16),
        shared=shared.astype(np.float16),
        state=state,
        strength=beats.strength,
    )


def build(job: tuple[Song | None, int, list[str]]) -> Example:
    """Return the example of a lead sheet, or of a made song, for a seed and styles."""
    sheet, seed, styles = job
    rng = np.random.default_rng(seed)
    song = made_song(rng, styles) if sheet is None else accompany_lead_sheet(sheet, rng, styles)
    return make_example(song)


class Net(nn.Module):
    """The network of `musicvae.harmony.network`, for training."""

    def __init__(self, width: int = 96, middle: int = 48) -> None:
        super().__init__()
        self.inside = nn.Linear(N_ROTATED, width)
        self.shared = nn.Linear(N_SHARED, width, bias=False)
        self.middle = nn.Linear(width, middle)
        self.out = nn.Linear(middle, len(ESTIMATED))
        self.none = nn.Linear(N_SHARED, 1)
        self.register_buffer("rotation", (torch.arange(12)[:, None] + torch.arange(12)) % 12)

    def forward(self, rotated: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        """Return scores of the states `(B, N_STATES)` for `(B, C, 12)` and `(B, F)`."""
        B = len(rotated)
        inputs = rotated[:, :, self.rotation].transpose(1, 2).reshape(B, 12, -1)
        hidden = F.relu(self.inside(inputs) + self.shared(shared)[:, None])
        hidden = F.dropout(hidden, 0.1, self.training)
        scores = self.out(F.relu(self.middle(hidden))).reshape(B, -1)
        return torch.cat([scores, self.none(shared)], 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights as `network.predict` expects them."""
        layers = {"in": self.inside, "middle": self.middle, "out": self.out, "none": self.none}
        found = {f"{k}.w": layer.weight.T for k, layer in layers.items()}
        found |= {f"{k}.b": layer.bias for k, layer in layers.items()}
        found["shared.w"] = self.shared.weight.T
        return {k: v.detach().contiguous().numpy().astype(np.float16) for k, v in found.items()}


def batches(
    examples: list[Example], rng: np.random.Generator, size: int = 512
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the beats of all examples once, in random order, as batches."""
    rotated = np.concatenate([e.rotated for e in examples])
    shared = np.concatenate([e.shared for e in examples])
    state = np.concatenate([e.state for e in examples])
    order = rng.permutation(np.flatnonzero(state >= 0))
    for begin in range(0, len(order) - size + 1, size):
        index = np.sort(order[begin : begin + size])
        yield (
            torch.from_numpy(rotated[index].astype(np.float32)),
            torch.from_numpy(shared[index].astype(np.float32)),
            torch.from_numpy(state[index]),
        )


@torch.no_grad()
def accuracy(net: Net, examples: list[Example]) -> tuple[float, float]:
    """Return the shares of beats with the right root, and the right root and quality."""
    net.eval()
    root, both, n = 0, 0, 0
    for rotated, shared, state in batches(examples, np.random.default_rng(0), 1024):
        best = net(rotated, shared).argmax(1)
        root += int((best // len(ESTIMATED) == state // len(ESTIMATED)).sum())
        both += int((best == state).sum())
        n += len(state)
    net.train()
    return root / max(n, 1), both / max(n, 1)


def main() -> None:
    """Make songs, train, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("leadsheets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--songs", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without", nargs="*", default=[], help="styles to leave out")
    args = parser.parse_args()
    styles = [name for name in STYLES if name not in args.without]
    sheets = lead_sheets(args.leadsheets, "train")
    jobs = [
        (None if seed % 5 < 2 else sheets[seed % len(sheets)], seed, styles)
        for seed in range(args.songs)
    ]
    held_out = [
        (s, 10**6 + i, list(STYLES)) for i, s in enumerate(lead_sheets(args.leadsheets, "valid"))
    ]
    with ProcessPoolExecutor(args.workers) as pool:
        examples = list(pool.map(build, jobs, chunksize=32))
        valid = list(pool.map(build, held_out * 3, chunksize=8))
    torch.manual_seed(0)
    rng, net = np.random.default_rng(0), Net()
    n_steps = args.epochs * (sum(int((e.state >= 0).sum()) for e in examples) // 512)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=n_steps + 1)
    transitions = count_transitions(examples)
    for epoch in range(args.epochs):
        total = 0.0
        for rotated, shared, state in batches(examples, rng):
            loss = F.cross_entropy(net(rotated, shared), state, label_smoothing=0.02)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            total += float(loss)
        print(epoch, f"{total * args.epochs / n_steps:.3f}", accuracy(net, valid), flush=True)
        save(net, transitions, args.out)


def save(net: Net, transitions: dict[str, np.ndarray], path: Path) -> None:
    """Save the weights."""
    from safetensors.numpy import save as to_bytes

    arrays = net.arrays() | {name: each.astype(np.float16) for name, each in transitions.items()}
    write_bytes(path, to_bytes(arrays))


if __name__ == "__main__":
    main()
