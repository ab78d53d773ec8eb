"""Floor 3: sound -> Song, the way back from `audio`: a voice that hums, sings or whistles a tune,
or a rhythm that is clapped or tapped.

The song plays in time with the recording: its tempo map follows the drift of the voice bar by bar,
and notes stay where they were sung. What is no single voice is declined in words.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.meter_map import changes_of, meter_of
from musicvae.downbeats.network import METERS
from musicvae.errors import ConfigError, ReadError
from musicvae.io.audio.load import samples_of
from musicvae.io.result import Reading, many
from musicvae.io.transcription.bars import Bars, Line, bars_of
from musicvae.io.transcription.beats import pulses, steady
from musicvae.io.transcription.notes import notes_of
from musicvae.io.transcription.onsets import taps_of
from musicvae.io.transcription.pitch import RATE, frames_of
from musicvae.io.transcription.voice_check import is_tapped, nature_of, reason_against
from musicvae.representation.key import diatonic_key
from musicvae.song import Ints, Key, Part, Song, TempoMap

_KNOWN: dict[tuple[bytes, HearOptions], Reading] = {}
"""What was heard last: a command that reads a file twice hears it once."""
_MOST_KNOWN = 16

Samples = NDArray[np.float32]
Reals = NDArray[np.float64]

TICKS_PER_QUARTER = 480
_CELL = TICKS_PER_QUARTER // CELLS_PER_QUARTER
CLAP = 39  # of a drum kit
_VOICE = 52  # General MIDI's choir, oohs: 0-based
_FEWEST = 4  # notes that a tune has
_LOUDNESS, _SOFTEST, _LOUDEST = 80, 30, 120  # velocities
_FIFTHS = {"C": 0, "D": 2, "E": 4, "F": -1, "G": 1, "A": 3, "B": 5}
_SCALE = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True, kw_only=True)
class HearOptions:
    """What is known of a recording before it is heard."""

    tempo: float | None = None
    """Quarters a minute, about; heard if not given."""
    meter: tuple[int, int] | None = None
    """The meter throughout; heard if not given."""
    key: str | None = None
    """`auto` or a key such as `D major`: notes outside it go to its nearest note."""
    quantise: bool = False
    """Put notes on the grid of sixteenths (else they stay as they were sung)."""

    def __post_init__(self) -> None:
        if self.tempo is not None and not 20 <= self.tempo <= 400:
            raise ConfigError(f"a tempo of {self.tempo:g}: ask for 20 to 400 quarters a minute")
        if self.key not in (None, "auto"):
            key_of(self.key)


def examine(
    content: bytes, path: str | Path = "<bytes>", options: HearOptions | None = None
) -> Reading:
    """What is heard in the bytes of an audio file.

    Raises `ReadError` for what is damaged, and for what is no single voice and no tapped rhythm.
    """
    options = options or HearOptions()
    key = (hashlib.blake2b(content).digest(), options)
    if key not in _KNOWN:
        reading = heard(samples_of(content, RATE, path), path, options)
        while len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.pop(next(iter(_KNOWN)))
        _KNOWN[key] = reading
    return _KNOWN[key]


def heard(samples: Samples, path: str | Path, options: HearOptions) -> Reading:
    """What is heard in samples `(n,)` at `RATE`. Raises as `examine`."""
    frames = frames_of(samples)
    nature = nature_of(samples, frames)
    taps = None if nature.has_notes else taps_of(samples)
    if taps is not None and is_tapped(nature, frames, taps.strength):
        if len(taps.onset_s) < _FEWEST:
            raise ReadError(path, "no pitch and hardly an onset is heard", "hum or clap a few bars")
        line = Line(
            onset_s=taps.onset_s,
            stop_s=taps.onset_s + 0.1,
            pitch=np.full(len(taps.onset_s), CLAP),
            velocity=_velocities(taps.level_db),
            is_drum=True,
        )
        return _reading(line, len(samples) / RATE, path, options, "")
    if reason := reason_against(nature):
        raise ReadError(path, reason, "give one voice alone, or a tapped rhythm")
    sung = notes_of(frames)
    if len(sung) < _FEWEST:
        raise ReadError(path, f"only {many(len(sung), 'note')} heard", "hum a few bars")
    line = Line(
        onset_s=sung.onset_s,
        stop_s=sung.stop_s,
        pitch=sung.pitch,
        velocity=_velocities(sung.level_db),
    )
    fifths, minor = _heard_key(line) if options.key in (None, "auto") else key_of(options.key)
    if options.key is not None:
        pitch = snapped(sung.pitch, sung.sung, fifths)
        line = replace(line, pitch=pitch)
    return _reading(line, len(samples) / RATE, path, options, key_words(fifths, minor))


def _reading(
    line: Line, length_s: float, path: str | Path, options: HearOptions, key: str
) -> Reading:
    """The song of a line of notes, and what is to be told of it."""
    if options.tempo is None:
        found = pulses(line.onset_s)
    else:
        found = [steady(line.onset_s, 60 / options.tempo / CELLS_PER_QUARTER)]
    try:
        bars = bars_of(line, found, options.meter, values=(1,) if options.tempo else None)
    except ValueError:
        raise ReadError(path, "no bars are heard in so little", "hum a few bars") from None
    song = _song(line, bars, length_s, options)
    if key and options.key is not None:
        fifths, minor = key_of(key)
        song = replace(
            song, key=Key(ticks=np.array([0]), fifths=np.array([fifths]), minor=np.array([minor]))
        )
    return Reading(
        song=song,
        kind="tapped rhythm" if line.is_drum else "single voice",
        measured=True,
        heard=_told(line, bars, length_s, key),
        facts={
            "tempo": round(_qpm(bars), 2),
            "meters": list(dict.fromkeys(METERS[int(m)] for m in bars.path.meters)),
            "bars": len(bars.path.lines),
            "key": key or None,
        },
    )


def _song(line: Line, bars: Bars, length_s: float, options: HearOptions) -> Song:
    """The song whose tick 0 is the beginning of the recording."""
    # What comes before the first note is whole sixteenths, and its tempo what makes them so.
    lead = max(int(np.round(-bars.cells(np.zeros(1))[0])), 0)
    first = int(bars.path.lines[0])
    stop = max(float(bars.cells(line.stop_s[-1:])[0]), float(bars.path.lines[-1]))
    cells = np.unique([0, *bars.path.lines.tolist(), int(np.ceil(stop)) + CELLS_PER_QUARTER])
    if lead and first > 0:
        cells = np.unique([*cells, 0])
    at_s, ticks = bars.seconds(cells), (cells + lead) * _CELL
    if lead:
        at_s, ticks = np.append(0.0, at_s), np.append(0, ticks)
    else:
        at_s[0] = 0.0
    pace = np.round(1e6 * np.diff(at_s) / np.diff(ticks) * TICKS_PER_QUARTER).astype(np.int64)
    change = np.append(True, np.diff(pace) != 0)
    tempo = TempoMap(ticks=ticks[:-1][change], us_per_quarter=pace[change])

    def tick_of(seconds: Reals) -> Reals:
        return np.interp(seconds, at_s, ticks)

    onset = np.round(tick_of(line.onset_s)).astype(np.int64)
    end = np.round(tick_of(line.stop_s)).astype(np.int64)
    if options.quantise:
        onset = (np.round(onset / _CELL) * _CELL).astype(np.int64)
        end = np.maximum((np.round(end / _CELL) * _CELL).astype(np.int64), onset + _CELL)
        onset, end, line = _apart(onset, end, line)
    end[:-1] = np.minimum(end[:-1], onset[1:])
    part = Part(
        name="taps" if line.is_drum else "voice",
        program=0 if line.is_drum else _VOICE,
        is_drum=line.is_drum,
        onset_ticks=onset,
        duration_ticks=np.maximum(end - onset, 1),
        pitch=line.pitch,
        velocity=line.velocity,
    )
    meter = meter_of(changes_of(bars.path, lead), TICKS_PER_QUARTER)
    return Song(
        ticks_per_quarter=TICKS_PER_QUARTER,
        parts=(part,),
        tempo=tempo,
        meter=meter,
        key=Key.none(),
        end_ticks=int(end[-1]),
    )


def _apart(onset: Ints, end: Ints, line: Line) -> tuple[Ints, Ints, Line]:
    """Of notes in one sixteenth the longest alone."""
    order = np.lexsort((-(end - onset), onset))
    keep = np.sort(order[np.append(True, np.diff(onset[order]) > 0)])
    columns = {name: getattr(line, name)[keep] for name in ("onset_s", "stop_s", "pitch")}
    few = replace(line, velocity=line.velocity[keep], **columns)
    return onset[keep], end[keep], few


def _velocities(level_db: Reals) -> Ints:
    """Loudness as velocities around 80: loudness grows with their square."""
    velocity = _LOUDNESS * 10 ** ((level_db - np.median(level_db)) / 40)
    return np.clip(np.round(velocity), _SOFTEST, _LOUDEST).astype(np.int64)


# -- keys ---------------------------------------------------------------------------------------


def key_of(words: str) -> tuple[int, bool]:
    """Sharps (flats below 0) and whether it is minor: ``key_of("E minor") == (1, True)``.

    Raises `ConfigError` for what is no key.
    """
    found = re.fullmatch(r"([A-Ga-g])([#b]?)\s*(major|minor|maj|min|m)?", words.strip())
    if not found:
        raise ConfigError(f"no key {words!r}: say auto, none, or a key such as D major or F# minor")
    letter, sign, mode = found[1].upper(), found[2], found[3] or "major"
    minor = mode in ("minor", "min", "m")
    fifths = _FIFTHS[letter] + {"": 0, "#": 7, "b": -7}[sign] - 3 * minor
    if not -7 <= fifths <= 7:
        raise ConfigError(f"{words!r} has {abs(fifths)} signs: say its enharmonic key")
    return fifths, minor


def key_words(fifths: int, minor: bool) -> str:
    """A key in words, the inverse of `key_of`."""
    names = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    minors = ["Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#"]
    return f"{minors[fifths + 7]} minor" if minor else f"{names[fifths + 7]} major"


def snapped(pitch: Ints, sung: Reals, fifths: int) -> Ints:
    """Pitches `(M,)` outside a key moved to its nearest note, by how they were really sung."""
    scale = [(7 * fifths + step) % 12 for step in _SCALE]
    options = pitch[:, None] + np.array([0, -1, 1])
    inside = np.isin(options % 12, scale)
    far = np.where(inside, np.abs(options - sung[:, None]), np.inf)
    far[inside[:, 0], 0] = -1
    return options[np.arange(len(pitch)), far.argmin(1)]


def _heard_key(line: Line) -> tuple[int, bool]:
    """The scale that holds most of what sounds, minor if the line ends on its sixth degree."""
    tonic = diatonic_key(line.pitch, line.stop_s - line.onset_s)
    fifths = (7 * tonic + 6) % 12 - 6
    fifths = fifths + 12 if fifths < -6 else fifths
    return fifths, int(line.pitch[-1] - tonic) % 12 == 9


def _qpm(bars: Bars) -> float:
    """Quarters a minute, the mean over all bars."""
    first, last = bars.seconds(bars.path.lines[[0, -1]])
    quarters = (bars.path.lines[-1] - bars.path.lines[0]) / CELLS_PER_QUARTER
    return float(60 * quarters / max(last - first, 1e-3))


def _told(line: Line, bars: Bars, length_s: float, key: str) -> str:
    """What was heard, in a line."""
    names = list(dict.fromkeys(METERS[int(m)] for m in bars.path.meters))
    what = "a tapped rhythm" if line.is_drum else "one voice"
    count = many(len(line.pitch), "hit" if line.is_drum else "note")
    told = f"{what}, {length_s:.0f} s: {count}, {many(len(bars.path.lines), 'bar')} of "
    told += f"{', '.join(names[:3])} at {_qpm(bars):.0f} quarters a minute"
    return told + (f", {key}" if key else "")
