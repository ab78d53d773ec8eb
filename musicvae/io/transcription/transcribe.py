"""Transcription of a hummed, sung or whistled tune, or of a clapped or tapped rhythm.

The song plays in time with the recording: its tempo map follows the drift of the performer bar by
bar, and notes keep their times. Recordings of anything else are rejected with a reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musicvae.arrays import Floats, Floats32, Ints
from musicvae.downbeats.features import CELLS_PER_QUARTER
from musicvae.downbeats.meter_map import meter_changes, meter_map_from_changes
from musicvae.downbeats.network import METERS
from musicvae.errors import ConfigError, ReadError
from musicvae.io.audio.load import load_mono
from musicvae.io.result import ReadResult, plural
from musicvae.io.transcription.bars import BarHypothesis, NoteSequence, estimate_bars
from musicvae.io.transcription.beats import follow_pulse, track_pulses
from musicvae.io.transcription.notes import segment_notes
from musicvae.io.transcription.onsets import detect_onsets
from musicvae.io.transcription.pitch import SAMPLE_RATE_HZ, track_pitch
from musicvae.io.transcription.voice_check import is_tapped_rhythm, measure_audio, reject_reason
from musicvae.representation.key import (
    MAJOR_SCALE,
    Key,
    estimate_fifths,
    key_of_signature,
    parse_key,
)
from musicvae.song import KeyMap, Part, Song, TempoMap

TICKS_PER_QUARTER = 480
_TICKS_PER_CELL = TICKS_PER_QUARTER // CELLS_PER_QUARTER
HAND_CLAP = 39  # General MIDI percussion
_VOICE_PROGRAM = 52  # General MIDI "Choir Aahs", counted from 0
_TAP_DURATION_S = 0.1
_MIN_NOTES = 4
_MEDIAN_VELOCITY, _MIN_VELOCITY, _MAX_VELOCITY = 80, 30, 120
_HINT = "record a few bars"


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions:
    """Known properties of a recording; what is not given is estimated."""

    tempo_qpm: float | None = None
    """Approximate tempo in quarters a minute."""
    meter: tuple[int, int] | None = None
    """The meter throughout."""
    key: str | None = None
    """`auto`, or a key such as `D minor` or `G dorian`: notes outside move to its nearest note."""
    quantize: bool = False
    """Put notes on the grid of sixteenths (else they keep their times)."""

    def __post_init__(self) -> None:
        if self.tempo_qpm is not None and not 20 <= self.tempo_qpm <= 400:
            tempo = f"{self.tempo_qpm:g}"
            raise ConfigError(f"tempo {tempo} is out of range: use 20 to 400 quarters a minute")
        if self.key not in (None, "auto"):
            parse_key(self.key)


_CACHE: dict[tuple[bytes, TranscribeOptions], ReadResult] = {}
"""The latest transcriptions, for commands that read a file twice."""
_MAX_CACHED = 16


def read_bytes(
    content: bytes, path: str | Path = "<bytes>", options: TranscribeOptions | None = None
) -> ReadResult:
    """Transcribe the bytes of an audio file.

    Raises `ReadError` for damaged files, and for all but a single voice and a tapped rhythm.
    """
    options = options or TranscribeOptions()
    key = (hashlib.blake2b(content).digest(), options)
    if key not in _CACHE:
        result = transcribe(load_mono(content, SAMPLE_RATE_HZ, path), path, options)
        while len(_CACHE) >= _MAX_CACHED:
            _CACHE.pop(next(iter(_CACHE)))
        _CACHE[key] = result
    return _CACHE[key]


def transcribe(samples: Floats32, path: str | Path, options: TranscribeOptions) -> ReadResult:
    """Transcribe samples `(n,)` at `SAMPLE_RATE_HZ`. Raises as `read_bytes`."""
    duration_s = len(samples) / SAMPLE_RATE_HZ
    track = track_pitch(samples)
    features = measure_audio(samples, track)
    onsets = None if features.has_notes else detect_onsets(samples)
    if onsets is not None and is_tapped_rhythm(features, track, onsets.strength):
        if len(onsets.onset_s) < _MIN_NOTES:
            raise ReadError(path, "no pitch and hardly any onsets found", _HINT)
        taps = NoteSequence(
            onset_s=onsets.onset_s,
            end_s=onsets.onset_s + _TAP_DURATION_S,
            pitch=np.full(len(onsets.onset_s), HAND_CLAP),
            velocity=_velocities(onsets.level_db),
            is_drum=True,
        )
        return _build_result(taps, duration_s, path, options, None)
    if reason := reject_reason(features):
        raise ReadError(path, reason, "give one voice alone, or a tapped rhythm")
    sung = segment_notes(track)
    if len(sung) < _MIN_NOTES:
        raise ReadError(path, f"only {plural(len(sung), 'note')} found", _HINT)
    notes = NoteSequence(
        onset_s=sung.onset_s,
        end_s=sung.end_s,
        pitch=sung.pitch,
        velocity=_velocities(sung.level_db),
    )
    key_name = None if options.key == "auto" else options.key
    key = parse_key(key_name) if key_name else _estimate_key(notes)
    if options.key is not None:
        notes = replace(notes, pitch=snap_to_key(sung.pitch, sung.sung_pitch, key.fifths))
    return _build_result(notes, duration_s, path, options, key)


def _build_result(
    notes: NoteSequence,
    duration_s: float,
    path: str | Path,
    options: TranscribeOptions,
    key: Key | None,
) -> ReadResult:
    """Estimate bars, and return the song with a summary of the transcription."""
    cells_per_pulse = None
    if options.tempo_qpm is None:
        pulses = track_pulses(notes.onset_s)
    else:
        pulses = [follow_pulse(notes.onset_s, 60 / options.tempo_qpm / CELLS_PER_QUARTER)]
        cells_per_pulse = (1,)
    try:
        bars = estimate_bars(notes, pulses, options.meter, cells_per_pulse)
    except ValueError:
        raise ReadError(path, "too short to find bars", _HINT) from None
    song = _build_song(notes, bars, options)
    if key and options.key is not None:
        song = replace(song, key=KeyMap.constant(key.fifths, key.is_minor))
    return ReadResult(
        song=replace(song, has_notated_bars=True),
        kind="tapped rhythm" if notes.is_drum else "single voice",
        transcription_note=_summarize(notes, bars, duration_s, key),
        transcription_facts={
            "tempo": round(_mean_qpm(bars), 2),
            "meters": list(dict.fromkeys(METERS[int(m)] for m in bars.path.meters)),
            "bars": len(bars.path.lines),
            "key": str(key) if key else None,
        },
    )


def _build_song(notes: NoteSequence, bars: BarHypothesis, options: TranscribeOptions) -> Song:
    """Build the song; its tick 0 is the beginning of the recording."""
    # The time before the first note is a whole number of cells, at the tempo that makes it so.
    lead_cells = max(int(np.round(-bars.seconds_to_cells(np.zeros(1))[0])), 0)
    first = int(bars.path.lines[0])
    end_cell = max(float(bars.seconds_to_cells(notes.end_s[-1:])[0]), float(bars.path.lines[-1]))
    cells = np.unique([0, *bars.path.lines.tolist(), int(np.ceil(end_cell)) + CELLS_PER_QUARTER])
    if lead_cells and first > 0:
        cells = np.unique([*cells, 0])
    cell_s, ticks = bars.cells_to_seconds(cells), (cells + lead_cells) * _TICKS_PER_CELL
    if lead_cells:
        cell_s, ticks = np.append(0.0, cell_s), np.append(0, ticks)
    else:
        cell_s[0] = 0.0
    us_per_quarter = 1e6 * np.diff(cell_s) / np.diff(ticks) * TICKS_PER_QUARTER
    us_per_quarter = np.round(us_per_quarter).astype(np.int64)
    is_change = np.append(True, np.diff(us_per_quarter) != 0)
    tempo = TempoMap(ticks=ticks[:-1][is_change], us_per_quarter=us_per_quarter[is_change])

    onset = np.round(np.interp(notes.onset_s, cell_s, ticks)).astype(np.int64)
    end = np.round(np.interp(notes.end_s, cell_s, ticks)).astype(np.int64)
    if options.quantize:
        onset, end = _round_to_cells(onset), _round_to_cells(end)
        end = np.maximum(end, onset + _TICKS_PER_CELL)
        keep = _longest_per_onset(onset, end)
        onset, end, notes = onset[keep], end[keep], _select(notes, keep)
    end[:-1] = np.minimum(end[:-1], onset[1:])
    part = Part(
        name="taps" if notes.is_drum else "voice",
        program=0 if notes.is_drum else _VOICE_PROGRAM,
        is_drum=notes.is_drum,
        onset_ticks=onset,
        duration_ticks=np.maximum(end - onset, 1),
        pitch=notes.pitch,
        velocity=notes.velocity,
    )
    return Song(
        ticks_per_quarter=TICKS_PER_QUARTER,
        parts=(part,),
        tempo=tempo,
        meter=meter_map_from_changes(meter_changes(bars.path, lead_cells), TICKS_PER_QUARTER),
        key=KeyMap.none(),
        end_ticks=int(end[-1]),
    )


def _round_to_cells(ticks: Ints) -> Ints:
    """Return ticks rounded to the grid of sixteenths."""
    return (np.round(ticks / _TICKS_PER_CELL) * _TICKS_PER_CELL).astype(np.int64)


def _longest_per_onset(onset: Ints, end: Ints) -> Ints:
    """Return the indices of the longest note at each onset, sorted."""
    order = np.lexsort((-(end - onset), onset))
    return np.sort(order[np.append(True, np.diff(onset[order]) > 0)])


def _select(notes: NoteSequence, index: Ints) -> NoteSequence:
    """Return the notes of an index `(K,)`."""
    columns = ("onset_s", "end_s", "pitch", "velocity")
    return replace(notes, **{name: getattr(notes, name)[index] for name in columns})


def _velocities(level_db: Floats) -> Ints:
    """Return velocities `(M,)` of a median of 80; amplitude grows with their square."""
    velocity = _MEDIAN_VELOCITY * 10 ** ((level_db - np.median(level_db)) / 40)
    return np.clip(np.round(velocity), _MIN_VELOCITY, _MAX_VELOCITY).astype(np.int64)


def _mean_qpm(bars: BarHypothesis) -> float:
    """Return the mean tempo over all bars in quarters a minute."""
    first, last = bars.cells_to_seconds(bars.path.lines[[0, -1]])
    quarters = (bars.path.lines[-1] - bars.path.lines[0]) / CELLS_PER_QUARTER
    return float(60 * quarters / max(last - first, 1e-3))


def _summarize(notes: NoteSequence, bars: BarHypothesis, duration_s: float, key: Key | None) -> str:
    """Return one line on a transcription."""
    meters = ", ".join(list(dict.fromkeys(METERS[int(m)] for m in bars.path.meters))[:3])
    source = "a tapped rhythm" if notes.is_drum else "one voice"
    n_notes = plural(len(notes.pitch), "hit" if notes.is_drum else "note")
    n_bars = plural(len(bars.path.lines), "bar")
    summary = f"{source}, {duration_s:.0f} s: {n_notes}, {n_bars} of {meters}"
    summary += f" at {_mean_qpm(bars):.0f} quarters a minute"
    return summary + (f", {key}" if key else "")


# -- keys -----------------------------------------------------------------------------------------


def snap_to_key(pitch: Ints, sung_pitch: Floats, fifths: int) -> Ints:
    """Return pitches `(M,)` with those outside a key moved to its note nearest to what was sung."""
    scale = [(7 * fifths + step) % 12 for step in MAJOR_SCALE]
    candidates = pitch[:, None] + np.array([0, -1, 1])
    in_scale = np.isin(candidates % 12, scale)
    distance = np.where(in_scale, np.abs(candidates - sung_pitch[:, None]), np.inf)
    distance[in_scale[:, 0], 0] = -1
    return candidates[np.arange(len(pitch)), distance.argmin(1)]


def _estimate_key(notes: NoteSequence) -> Key:
    """Return the scale that holds most of the sound, minor if the last note is its sixth degree."""
    fifths = estimate_fifths(notes.pitch, notes.end_s - notes.onset_s)
    return key_of_signature(fifths, int(notes.pitch[-1] - 7 * fifths) % 12 == 9)
