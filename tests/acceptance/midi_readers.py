"""Acceptance test: independent readers agree, note for note, on MIDI files of musicvae.

    python tests/acceptance/midi_readers.py [--limit 500] [--work FOLDER]

Writes files of every kind: songs sampled from each shipped model, interpolations, variations,
continuations, steered, drum and humanized songs, and difficult songs (up to 19 parts, tempo and
meter changes, touching, repeated and overlapping notes, notes of a tick). Each is read by symusic,
pretty_midi, miditoolkit where it is installed, and from mido's messages, paired here. All must
give the notes of the song that was written (onset, duration, pitch, velocity, program, drums or
not, in ticks) and the tempo and meter maps. Notes that overlap on one pitch, which MIDI cannot
represent, count as `remove_overlaps` leaves them. Prints a line for each difference and a summary;
exits 1 if there is any difference.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import click
import mido
import numpy as np
import pretty_midi
import symusic

from musicvae import MusicVAE, Song, estimate_barlines
from musicvae.checkpoints import shipped_checkpoints
from musicvae.data import corpora
from musicvae.errors import MusicVAEError
from musicvae.io import read as read_song
from musicvae.io import write
from musicvae.io.midi import remove_overlaps, to_bytes
from musicvae.song import KeyMap, MeterMap, Part, TempoMap

Note = tuple[int, int, int, int, int, bool]  # onset, duration, pitch, velocity, program, drums
Contents = tuple[Counter[Note], list[tuple[int, int]], list[tuple[int, int, int]]]


# -- readers --------------------------------------------------------------------------------------


def written_contents(song: Song) -> Contents:
    """Return notes, (tick, microseconds a quarter), (tick, numerator, denominator) of a song."""
    song = remove_overlaps(song)
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


def by_mido(content: bytes) -> Contents:
    """Read mido's messages; each note-on is paired with the next note-off of its pitch."""
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
        assert not any(sounding.values()), "unterminated notes"
    return notes, tempo, meter


def by_symusic(content: bytes) -> Contents:
    """Read with symusic, in ticks."""
    score = symusic.Score.from_midi(content)
    notes = Counter(
        (n.time, n.duration, n.pitch, n.velocity, 0 if t.is_drum else t.program, t.is_drum)
        for t in score.tracks
        for n in t.notes
    )
    tempo = [(each.time, each.mspq) for each in score.tempos]
    return notes, tempo, [(m.time, m.numerator, m.denominator) for m in score.time_signatures]


def by_pretty_midi(content: bytes) -> Contents:
    """Read with pretty_midi; seconds are converted to ticks by its own map."""
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


def by_miditoolkit(content: bytes) -> Contents:
    """Read with miditoolkit, in ticks."""
    import miditoolkit

    midi = miditoolkit.MidiFile(file=io.BytesIO(content))
    notes = Counter(
        (n.start, n.end - n.start, n.pitch, n.velocity, 0 if i.is_drum else i.program, i.is_drum)
        for i in midi.instruments
        for n in i.notes
    )
    tempo = [(each.time, round(6e7 / each.tempo)) for each in midi.tempo_changes]
    return notes, tempo, [(m.time, m.numerator, m.denominator) for m in midi.time_signature_changes]


READERS: dict[str, Callable[[bytes], Contents]] = {
    "mido": by_mido,
    "symusic": by_symusic,
    "pretty_midi": by_pretty_midi,
}
if find_spec("miditoolkit"):
    READERS["miditoolkit"] = by_miditoolkit


def differences(song: Song) -> list[str]:
    """Return a line for each difference between a song and what a reader finds in its file."""
    content, lines = to_bytes(song, note="tests/acceptance/midi_readers.py"), []
    expected = written_contents(song)
    for name, read in READERS.items():
        for what, want, found in zip(
            ("notes", "tempos", "meters"), expected, read(content), strict=True
        ):
            if want != found:
                missing, extra = _difference(want, found)
                lines.append(f"{name}: {what}: {missing} missing, {extra} extra")
    return lines


def _difference(want: Any, found: Any) -> tuple[list[object], list[object]]:
    """Return up to three missing and three extra items."""
    wanted, present = Counter(want), Counter(found)
    return list((wanted - present).elements())[:3], list((present - wanted).elements())[:3]


# -- songs ----------------------------------------------------------------------------------------


def difficult_song(seed: int) -> Song:
    """Return a random song of unusual notes and maps; `seed` selects it."""
    rng = np.random.default_rng(seed)
    tpq = int(rng.choice([24, 96, 220, 480, 960, 32767]))
    parts = [_random_part(rng, tpq, number) for number in range(int(rng.integers(1, 20)))]
    n = int(rng.integers(1, 12))
    changes = np.unique(np.concatenate([[0], rng.integers(1, 40 * tpq, n)]))
    bars = np.cumsum([0, *rng.integers(1, 6, n)]) * 4 * tpq
    return Song(
        ticks_per_quarter=tpq,
        parts=tuple(parts),
        tempo=TempoMap(
            ticks=changes, us_per_quarter=rng.integers(150_000, 2_000_000, len(changes))
        ),
        meter=MeterMap(
            ticks=bars,
            numerator=rng.integers(1, 16, n + 1),
            denominator=rng.choice([1, 2, 4, 8, 16, 32], n + 1),
        ),
        key=KeyMap(
            ticks=bars[:2], fifths=rng.integers(-7, 8, 2)[: len(bars)], minor=np.array([0, 1])
        ),
        end_ticks=int(rng.integers(0, 60 * tpq)),
    )


def _random_part(rng: np.random.Generator, tpq: int, number: int) -> Part:
    """Return chords, runs, notes of one tick, and repeated notes that touch or overlap."""
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
    """Yield `limit` songs: a quarter difficult ones, the others from models."""
    for nth in range(limit // 4):
        yield f"difficult {nth}", difficult_song(nth)
    left = limit - limit // 4
    with tempfile.TemporaryDirectory() as folder:
        sources = [
            estimate_barlines(read_song(file.path)).song
            for name in ("chorales", "folk")
            for file in corpora.export(name, Path(folder, name), limit=8, workers=1).files
        ]
    models = [MusicVAE.load(path) for path in shipped_checkpoints()]
    yield from islice(_generated_songs(models, sources), left)


def _generated_songs(models: list[MusicVAE], sources: list[Song]) -> Iterator[tuple[str, Song]]:
    """Yield songs by all models with every tool they support, in rounds."""
    beats: list[Song] = []
    for nth in range(10_000):
        a, b = sources[nth % len(sources)], sources[(5 * nth + 3) % len(sources)]
        for model in models:
            drums = model.preset.parts[0].kind == "drums"
            for tool in TOOLS:
                if drums and tool in ("interpolate", "vary", "extend", "steer"):
                    continue  # the sources have no drums
                try:
                    beat = beats[nth % len(beats)] if beats else a
                    generated = _apply_tool(tool, model, a, b, beat, nth)
                except MusicVAEError:
                    continue  # not supported by this model
                if drums and tool == "sample":
                    beats += generated
                for song in generated:
                    yield f"{model.path.stem} {nth} {tool}", song


TOOLS = ("sample", "interpolate", "vary", "extend", "steer", "drumify", "humanize")


def _apply_tool(tool: str, model: MusicVAE, a: Song, b: Song, beat: Song, seed: int) -> list[Song]:
    match tool:
        case "sample":
            return model.sample(2, bars=4 + seed % 9, seed=seed)
        case "interpolate":
            return model.interpolate(a, b, steps=3)
        case "vary":
            return [model.vary(a, amount=0.6, seed=seed)]
        case "extend":
            return [model.extend(a, bars=4, seed=seed)]
        case "steer":
            return [model.steer(a, {"density": 1 + seed % 3})]
        case "drumify":
            return [model.drumify(a, seed=seed)]
        case _:
            return [model.humanize(beat, seed=seed)]


@click.command()
@click.option("--limit", default=500, show_default=True, help="Number of files.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep the files in this folder.")
def main(limit: int, work: Path | None) -> None:
    """Compare what readers find in files of every kind with what was written."""
    kinds: Counter[str] = Counter()
    n_wrong = n_notes = 0
    for nth, (name, song) in enumerate(songs(limit)):
        found = differences(song)
        n_wrong += bool(found)
        n_notes += song.n_notes
        kinds[name.split()[0] if name.startswith("difficult") else name.split()[-1]] += 1
        for line in found:
            click.echo(f"{name}: {line}")
        if work:
            write(song, work / f"{nth:04d} {name}.mid")
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    click.echo(
        f"{sum(kinds.values())} files ({counts}), {n_notes:,} notes, read by {', '.join(READERS)}:"
    )
    click.echo(f"{n_wrong} files with differences")
    sys.exit(bool(n_wrong))


if __name__ == "__main__":
    main()
