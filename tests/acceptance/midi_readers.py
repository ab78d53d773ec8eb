"""Independent readers agree, note for note, on the MIDI files that this toolkit writes.

    python tests/acceptance/midi_readers.py [--limit 500] [--work FOLDER]

Writes files of every kind: songs sampled from each shipped model, ways between songs, variations,
steered, drummed and humanised songs, and songs made to be difficult (up to 19 parts, tempo and
meter changes, touching, repeated and overlapping notes, notes of a tick). Each is read by symusic,
pretty_midi, miditoolkit where it is installed, and by mido's plain list of messages, paired here;
and all must give the notes of the song that was written: onset, length, pitch, velocity, program,
drums or not, in ticks, and the tempo and meter maps. (Of notes of a part that overlap on one pitch,
which MIDI cannot tell, what `without_overlaps` makes of them.) Prints a line a difference, and
a sum; exits 1 if there is any.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import mido
import numpy as np
import pretty_midi
import symusic

from musicvae import MusicVAE, Song, align
from musicvae.checkpoints import shipped_checkpoints
from musicvae.data import corpora
from musicvae.errors import MusicVAEError
from musicvae.io import read as read_song
from musicvae.io import write
from musicvae.io.midi import to_bytes, without_overlaps
from musicvae.song import Key, Meter, Part, TempoMap

Note = tuple[int, int, int, int, int, bool]  # onset, length, pitch, velocity, program, drums
Read = tuple[Counter[Note], list[tuple[int, int]], list[tuple[int, int, int]]]


# -- readers --------------------------------------------------------------------------------------


def wanted(song: Song) -> Read:
    """What was meant: notes, (tick, microseconds a quarter), (tick, numerator, denominator)."""
    song = without_overlaps(song)
    notes = Counter(
        (*each, 0 if part.is_drum else part.program, part.is_drum)
        for part in song.parts
        for each in zip(
            *(c.tolist() for c in (part.onset_ticks, part.duration_ticks, part.pitch)),
            part.velocity.tolist(),
            strict=True,
        )
    )
    tempo = zip(song.tempo.ticks.tolist(), song.tempo.us_per_quarter.tolist(), strict=True)
    return (
        notes,
        list(tempo),
        list(zip(*(c.tolist() for c in vars(song.meter).values()), strict=True)),
    )


def by_mido(content: bytes) -> Read:
    """mido's messages, each note paired with the next end of its pitch and channel."""
    notes: Counter[Note] = Counter()
    tempo, meter = [], []
    for track in mido.MidiFile(file=io.BytesIO(content)).tracks:
        now, program = 0, [0] * 16
        sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for message in track:
            now += message.time
            if message.type == "set_tempo":
                tempo.append((now, message.tempo))
            elif message.type == "time_signature":
                meter.append((now, message.numerator, message.denominator))
            elif message.type == "program_change":
                program[message.channel] = message.program
            elif message.type == "note_on" and message.velocity:
                key = (message.channel, message.note)
                sounding.setdefault(key, []).append((now, message.velocity))
            elif message.type in ("note_off", "note_on"):
                begin, velocity = sounding[message.channel, message.note].pop(0)
                drums = message.channel == 9
                kind = 0 if drums else program[message.channel]
                notes[begin, now - begin, message.note, velocity, kind, drums] += 1
        assert not any(sounding.values()), "a note without an end"
    return notes, tempo, meter


def by_symusic(content: bytes) -> Read:
    """symusic's score in ticks."""
    score = symusic.Score.from_midi(content)
    notes = Counter(
        (n.time, n.duration, n.pitch, n.velocity, 0 if t.is_drum else t.program, t.is_drum)
        for t in score.tracks
        for n in t.notes
    )
    tempo = [(each.time, each.mspq) for each in score.tempos]
    return notes, tempo, [(m.time, m.numerator, m.denominator) for m in score.time_signatures]


def by_pretty_midi(content: bytes) -> Read:
    """Its seconds are taken back to ticks by its own map."""
    midi = pretty_midi.PrettyMIDI(io.BytesIO(content))
    notes: Counter[Note] = Counter()
    for instrument in midi.instruments:
        kind = 0 if instrument.is_drum else instrument.program
        for n in instrument.notes:
            begin, end = midi.time_to_tick(n.start), midi.time_to_tick(n.end)
            notes[begin, end - begin, n.pitch, n.velocity, kind, instrument.is_drum] += 1
    seconds, qpm = midi.get_tempo_changes()
    tempo = [(midi.time_to_tick(s), round(6e7 / q)) for s, q in zip(seconds, qpm, strict=True)]
    signs = midi.time_signature_changes
    return notes, tempo, [(midi.time_to_tick(m.time), m.numerator, m.denominator) for m in signs]


def by_miditoolkit(content: bytes) -> Read:
    """miditoolkit's file in ticks."""
    import miditoolkit

    midi = miditoolkit.MidiFile(file=io.BytesIO(content))
    notes = Counter(
        (n.start, n.end - n.start, n.pitch, n.velocity, 0 if i.is_drum else i.program, i.is_drum)
        for i in midi.instruments
        for n in i.notes
    )
    tempo = [(each.time, round(6e7 / each.tempo)) for each in midi.tempo_changes]
    return notes, tempo, [(m.time, m.numerator, m.denominator) for m in midi.time_signature_changes]


READERS: dict[str, Callable[[bytes], Read]] = {
    "mido": by_mido,
    "symusic": by_symusic,
    "pretty_midi": by_pretty_midi,
}
if find_spec("miditoolkit"):
    READERS["miditoolkit"] = by_miditoolkit


def differences(song: Song) -> list[str]:
    """What readers see otherwise than it was meant, a line each."""
    content, said = to_bytes(song, note="tests/acceptance/midi_readers.py"), []
    meant = wanted(song)
    for name, read in READERS.items():
        for what, want, found in zip(
            ("notes", "tempos", "meters"), meant, read(content), strict=True
        ):
            if want != found:
                more, less = _apart(want, found)
                said.append(f"{name}: {what}: {less} missing, {more} too many")
    return said


def _apart(want: Any, found: Any) -> tuple[list[object], list[object]]:
    one, other = Counter(want), Counter(found)
    return list((other - one).elements())[:3], list((one - other).elements())[:3]


# -- songs ----------------------------------------------------------------------------------------


def difficult(nth: int) -> Song:
    """A song of odd things, another one for each number."""
    rng = np.random.default_rng(nth)
    tpq = int(rng.choice([24, 96, 220, 480, 960, 32767]))
    parts = [_part(rng, tpq, number) for number in range(int(rng.integers(1, 20)))]
    n = int(rng.integers(1, 12))
    changes = np.unique(np.concatenate([[0], rng.integers(1, 40 * tpq, n)]))
    bars = np.cumsum([0, *rng.integers(1, 6, n)]) * 4 * tpq
    return Song(
        ticks_per_quarter=tpq,
        parts=tuple(parts),
        tempo=TempoMap(
            ticks=changes, us_per_quarter=rng.integers(150_000, 2_000_000, len(changes))
        ),
        meter=Meter(
            ticks=bars,
            numerator=rng.integers(1, 16, n + 1),
            denominator=rng.choice([1, 2, 4, 8, 16, 32], n + 1),
        ),
        key=Key(ticks=bars[:2], fifths=rng.integers(-7, 8, 2)[: len(bars)], minor=np.array([0, 1])),
        end_ticks=int(rng.integers(0, 60 * tpq)),
    )


def _part(rng: np.random.Generator, tpq: int, number: int) -> Part:
    """Chords, runs, notes of one tick, and repetitions that touch or overlap."""
    n = int(rng.integers(0, 60))
    onset = np.sort(rng.integers(0, 40 * tpq, n))
    onset[rng.random(n) < 0.3] //= max(tpq // 4, 1)
    onset = np.sort(onset)
    duration = np.maximum(rng.integers(1, 4 * tpq, n) // rng.choice([1, 8, 10_000], n), 1)
    pitch = rng.integers(0, 128, n) if rng.random() < 0.5 else rng.integers(60, 64, n)
    touching = rng.random(n) < 0.3
    duration[:-1] = np.where(touching[:-1], np.maximum(np.diff(onset), 1), duration[:-1])[: n - 1]
    drums = bool(rng.random() < 0.2)
    part = Part.empty(f"part {number}, ü", int(rng.integers(0, 128)), drums)
    return part.with_notes(onset, duration, pitch, rng.integers(1, 128, n))


def songs(limit: int) -> Iterator[tuple[str, Song]]:
    """`limit` songs: a quarter difficult ones, the others from models."""
    for nth in range(limit // 4):
        yield f"difficult {nth}", difficult(nth)
    left = limit - limit // 4
    with tempfile.TemporaryDirectory() as folder:
        sources = [
            align(read_song(file.path)).song
            for name in ("chorales", "folk")
            for file in corpora.export(name, Path(folder, name), limit=8, workers=1).files
        ]
    models = [MusicVAE.load(path) for path in shipped_checkpoints()]
    made = _made(models, sources)
    for _ in range(left):
        yield next(made)


def _made(models: list[MusicVAE], sources: list[Song]) -> Iterator[tuple[str, Song]]:
    """Songs by all models in every way that they can, round after round."""
    beats: list[Song] = []
    for nth in range(10_000):
        a, b = sources[nth % len(sources)], sources[(5 * nth + 3) % len(sources)]
        for model in models:
            drums = model.preset.parts[0].kind == "drums"
            for way in WAYS:
                if drums and way in ("interpolate", "vary", "continue", "steer"):
                    continue  # the sources have no drums
                try:
                    made = _way(way, model, a, b, beats[nth % len(beats)] if beats else a, nth)
                except MusicVAEError:
                    continue  # a way that this model does not know
                if drums and way == "sample":
                    beats += made
                for song in made:
                    yield f"{model.path.stem} {nth} {way}", song


WAYS = ("sample", "interpolate", "vary", "continue", "steer", "drumify", "humanise")


def _way(way: str, model: MusicVAE, a: Song, b: Song, beat: Song, seed: int) -> list[Song]:
    match way:
        case "sample":
            return model.sample(2, bars=4 + seed % 9, seed=seed)
        case "interpolate":
            return model.interpolate(a, b, steps=3)
        case "vary":
            return [model.vary(a, amount=0.6, seed=seed)]
        case "continue":
            return [model.continue_(a, bars=4, seed=seed)]
        case "steer":
            return [model.steer(a, {"density": 1 + seed % 3})]
        case "drumify":
            return [model.drumify(a, seed=seed)]
        case _:
            return [model.humanise(beat, seed=seed)]


@click.command()
@click.option("--limit", default=500, show_default=True, help="Files to write and to read.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep the files in this folder.")
def main(limit: int, work: Path | None) -> None:
    """Compare what readers see in files of every kind with what was written."""
    kinds: Counter[str] = Counter()
    wrong = notes = 0
    for nth, (name, song) in enumerate(songs(limit)):
        found = differences(song)
        wrong += bool(found)
        notes += song.n_notes
        kinds[name.split()[0] if name.startswith("difficult") else name.split()[-1]] += 1
        for line in found:
            click.echo(f"{name}: {line}")
        if work:
            write(song, work / f"{nth:04d} {name}.mid")
    told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    click.echo(f"{sum(kinds.values())} files ({told}), {notes:,} notes, by {', '.join(READERS)}:")
    click.echo(f"{wrong} are not read alike")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
