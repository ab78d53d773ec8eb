"""Transcription of a voice or a tapped rhythm; anything else is declined with a reason."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from experiments.transcription.singing import RATE as SUNG_RATE
from experiments.transcription.singing import Performance, add_noise, synthesize_voice
from musicvae import Song
from musicvae.cli import main
from musicvae.downbeats.network import METERS
from musicvae.errors import ReadError
from musicvae.io import read, read_bytes, transcription, write
from musicvae.io.audio.render import render
from musicvae.io.transcription import TranscribeOptions, snap_to_key
from musicvae.io.transcription.bars import NoteSequence, estimate_bars
from musicvae.io.transcription.beats import follow_pulse, track_pulses
from musicvae.io.transcription.notes import segment_notes
from musicvae.io.transcription.pitch import SAMPLE_RATE_HZ, PitchTrack
from musicvae.io.transcription.rhythm import collect_rhythm_evidence
from musicvae.representation.grid import grid_from_song
from musicvae.song import Part

TUNE = (67, 67, 69, 67, 72, 71, 67, 67, 69, 67, 74, 72, 67, 67, 79, 76, 72, 71, 69, 77, 77, 76, 72)
PHRASE = (0.75, 0.25, 1, 1)
BEATS = (*PHRASE, 1, 2, *PHRASE, 1, 2, *PHRASE, 1, 1, 2, *PHRASE)


def birthday_song(*, beat_s: float = 0.55, shift: int = -12, seed: int = 1) -> Performance:
    """Return a song of 23 notes, performed with some tempo drift."""
    rng = np.random.default_rng(seed)
    drift = 1 + 0.02 * np.sin(np.arange(len(BEATS)) / 5 + seed)
    edge = 0.4 + np.concatenate([[0], np.cumsum(np.array(BEATS) * beat_s * drift)])
    begin = edge[:-1] + rng.normal(0, 0.008, len(BEATS))
    stop = np.minimum(begin + np.diff(edge) * rng.uniform(0.88, 1.0, len(BEATS)), edge[1:])
    stop[:-1] = np.minimum(stop[:-1], begin[1:])
    return Performance(begin, stop, np.array(TUNE) + shift, edge[2::4])


def encode_audio(samples: np.ndarray, rate: int = SUNG_RATE, kind: str = "WAV") -> bytes:
    """Return the bytes of an audio file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()


def record_birthday_song(
    timbre: str = "hum", noise_db: float | None = None, **kwargs: float
) -> tuple[Performance, bytes]:
    """Return a performance and a recording of it."""
    tune = birthday_song(**kwargs)
    rng = np.random.default_rng(3)
    sound = synthesize_voice(tune, timbre, rng)
    return tune, encode_audio(sound if noise_db is None else add_noise(sound, noise_db, rng))


def onsets_s(song: Song) -> np.ndarray:
    return song.tempo.seconds(song.parts[0].onset_ticks, song.ticks_per_quarter)


def note_f1(tune: Performance, song: Song) -> float:
    """Return the F1 of notes with onsets within 50 ms and equal pitches."""
    onset, pitch = onsets_s(song), song.parts[0].pitch
    free, hits = np.ones(len(onset), bool), 0
    for at, which in zip(tune.onset, tune.pitch, strict=True):
        near = np.flatnonzero(free & (np.abs(onset - at) < 0.05) & (pitch == which))
        if len(near):
            free[near[0]] = False
            hits += 1
    return 2 * hits / (len(onset) + len(tune.onset))


@pytest.mark.parametrize(
    ("timbre", "noise_db", "shift"),
    [("hum", None, -12), ("hum", 20.0, -19), ("la", 20.0, 0), ("whistle", 20.0, 14)],
)
def test_voice_is_transcribed(timbre: str, noise_db: float | None, shift: int) -> None:
    tune, content = record_birthday_song(timbre, noise_db, shift=shift)
    result = read_bytes(content, "hum.wav")
    assert result.kind == "single voice"
    assert note_f1(tune, result.song) >= 0.85
    assert result.transcription_note.startswith("one voice, ")
    velocity = result.song.parts[0].velocity
    assert 30 <= velocity.min() < velocity.max() <= 120


def test_song_is_in_time_with_the_recording_and_bars_follow_tempo_drift() -> None:
    tune, content = record_birthday_song("la")
    options = TranscribeOptions(meter=(4, 4))
    loose = transcription.read_bytes(content, "hum.wav", options).song
    assert (loose.meter.numerator[-1], loose.meter.denominator[-1]) == (4, 4)
    tight = transcription.read_bytes(
        content, "hum.wav", TranscribeOptions(meter=(4, 4), quantize=True)
    ).song
    assert not (tight.parts[0].onset_ticks % (tight.ticks_per_quarter // 4)).any()
    assert len(loose.tempo.ticks) > 3
    nearest = np.abs(onsets_s(tight)[:, None] - onsets_s(loose)).min(1)
    assert np.median(nearest) < 0.025 and nearest.max() < 0.08
    lines = loose.tempo.seconds(grid_from_song(loose, 24).start_ticks, loose.ticks_per_quarter)
    beats = np.concatenate([np.linspace(a, b, 5) for a, b in pairwise(lines)])
    assert np.median(np.abs(beats[:, None] - tune.onset).min(0)) < 0.03


def test_vibrato_is_one_note_and_repeated_notes_are_separated() -> None:
    at = np.arange(int(4.4 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch = 60 + 0.5 * np.sin(2 * np.pi * 5.8 * at)
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / SAMPLE_RATE_HZ
    tone = sum(np.sin(k * phase) / k**2 for k in range(1, 6))
    held = np.minimum(np.minimum(at % 1.1, 1.0 - at % 1.1) / 0.05, 1).clip(0)  # four, with gaps
    result = transcription.transcribe(
        (0.2 * tone * held).astype(np.float32), "hum.wav", TranscribeOptions()
    )
    assert result.song.parts[0].pitch.tolist() == [60] * 4
    dips = 1 - 0.75 * np.exp(-0.5 * (((at + 0.22) % 0.44 - 0.22) / 0.02) ** 2)
    quiet = np.zeros(SAMPLE_RATE_HZ // 2)
    sound = np.concatenate([quiet, 0.2 * tone * dips, quiet]).astype(np.float32)
    quick = transcription.transcribe(sound, "hum.wav", TranscribeOptions())
    assert quick.song.parts[0].pitch.tolist() == [60] * 10


def chord(*pitches: int) -> np.ndarray:
    at = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tones = [440 * 2 ** ((p - 69) / 12) for p in pitches]
    return sum(np.sin(2 * np.pi * k * f * at) / k for f in tones for k in range(1, 5)) * 0.1


def speech() -> np.ndarray:
    """Return syllables of gliding pitch, with noise between them."""
    rng, pieces = np.random.default_rng(5), []
    for _ in range(24):
        n = int(rng.uniform(0.12, 0.25) * SAMPLE_RATE_HZ)
        glide = np.linspace(*rng.normal(0, 4, 2), n) + 3 * np.sin(np.linspace(0, 3, n))
        phase = 2 * np.pi * np.cumsum(130 * 2 ** (glide / 12)) / SAMPLE_RATE_HZ
        pieces.append(sum(np.sin(k * phase) / k for k in range(1, 12)) * np.hanning(n))
        pieces.append(0.1 * rng.normal(size=int(0.06 * SAMPLE_RATE_HZ)))
    return np.concatenate(pieces) * 0.2


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (chord(60, 64, 67, 71), "several notes at once"),
        (np.random.default_rng(0).normal(size=3 * SAMPLE_RATE_HZ) * 0.1, "noise"),
        (np.zeros(3 * SAMPLE_RATE_HZ), "silence"),
        (np.full(3 * SAMPLE_RATE_HZ, 0.3), "silence"),
        (chord(60)[: SAMPLE_RATE_HZ // 4], "too short"),
        (speech(), r"glides throughout|several notes"),
    ],
    ids=["chord", "noise", "silence", "constant", "short", "speech"],
)
def test_other_audio_is_declined_with_a_reason(samples: np.ndarray, words: str) -> None:
    with pytest.raises(ReadError, match=words) as caught:
        read_bytes(encode_audio(samples, SAMPLE_RATE_HZ), "take.wav")
    assert str(caught.value).startswith("take.wav: ") and ";" in str(caught.value)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_damaged_files_are_declined_with_their_path(kind: str) -> None:
    content = encode_audio(chord(60) * 0.5, SAMPLE_RATE_HZ, kind)
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, 200, dtype=np.uint8).tobytes()
    with pytest.raises(ReadError, match=r"audio file|too short|silence"):
        read_bytes(content[:20] + noise, "a.mid")


def taps(pattern: str = "x.x.xx..", beat_s: float = 0.25, times: int = 4) -> np.ndarray:
    rng = np.random.default_rng(2)
    sound = 0.001 * rng.normal(size=int((len(pattern) * times * beat_s + 1) * SAMPLE_RATE_HZ))
    for i, mark in enumerate(pattern * times):
        if mark == "x":
            at = int((0.3 + i * beat_s + rng.normal(0, 0.008)) * SAMPLE_RATE_HZ)
            n = np.arange(1600)
            sound[at : at + 1600] += rng.normal(size=1600) * np.exp(-n / 200) * 0.4
    return sound


def test_tapped_rhythm_becomes_hand_claps() -> None:
    result = read_bytes(encode_audio(taps(), SAMPLE_RATE_HZ), "tap.wav")
    part = result.song.parts[0]
    assert "4 bars of 4/4 at 120" in result.transcription_note
    assert result.kind == "tapped rhythm" and part.is_drum and len(part) == 16
    first = 0.3 + 0.25 * np.array([i for i, m in enumerate("x.x.xx.." * 4) if m == "x"])
    assert np.abs(onsets_s(result.song) - first).max() < 0.04


@pytest.mark.parametrize(("duration", "lead"), [(400, 0), (320, 7)])
def test_slow_melody_survives_rendering(duration: int, lead: int) -> None:
    pitch = np.array([60, 62, 64, 65, 67, 67, 69, 71, 72, 72, 67, 64, 60, 62, 60, 60])
    onset = np.arange(16) * 480 + lead
    part = Part(
        program=73,
        onset_ticks=onset,
        duration_ticks=np.full(16, duration),
        pitch=pitch,
        velocity=np.full(16, 90),
    )
    song = Song.new([part], qpm=100)
    samples, rate = render(song)
    again = read_bytes(encode_audio(samples, rate), "render.wav").song
    assert again.parts[0].pitch.tolist() == pitch.tolist()
    assert np.abs(onsets_s(again) - onset / 480 * 0.6).max() < 0.1  # a flute has a slow attack


@pytest.mark.parametrize(
    ("depth_db", "n_notes"), [(2.0, 1), (3.0, 1), (8.0, 2), (12.0, 2)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("attack", [2, 5, 10, 15])
def test_dip_separates_repeated_notes_whatever_its_attack(
    depth_db: float, n_notes: int, attack: int
) -> None:
    """The level falls in 50 ms and rises in `attack` frames of 10 ms, neither of them evenly."""
    level = np.full(200, -20.0)
    level[95:101] -= np.linspace(0, depth_db, 6)
    level[100 : 101 + attack] = -20 - np.linspace(depth_db, 0, attack + 1)
    uneven = 0.2 * np.sin(np.arange(200) * 2.1)
    for wobble in (0 * uneven, uneven, -uneven):
        track = PitchTrack(
            pitch=np.full(200, 60.0),
            voiced_prob=np.ones(200),
            level_db=np.concatenate([np.full(10, -80.0), level[10:] + wobble[10:]]),
            preemphasis_db=np.full(200, -30.0),
        )
        assert len(segment_notes(track)) == n_notes


def test_pulses_follow_drift_and_ignore_grace_notes() -> None:
    rng = np.random.default_rng(0)
    steps = rng.choice([1, 1, 2, 2, 4], 60)
    place = np.concatenate([[0], np.cumsum(steps)])
    clock = np.cumsum(0.2 * (1 + 0.03 * np.sin(np.arange(place[-1] + 2) / 25)))
    onset = clock[place] + rng.normal(0, 0.01, len(place))
    found = track_pulses(onset)[0]
    assert found.pulse_index.tolist() == place.tolist()
    assert np.abs(found.pulse_times_s[place] - clock[place]).max() < 0.02
    graced = np.sort(np.append(onset, onset[[10, 30]] - 0.05))
    assert track_pulses(graced)[0].pulse_index[-1] == place[-1]
    assert follow_pulse(onset, 0.1).pulse_index[-1] == 2 * place[-1]


# -- meters and tempos of plain tunes -------------------------------------------------------------


@dataclass(frozen=True)
class PlainTune:
    """A tune of note values in quarters, after a pickup of some quarters."""

    meter: str
    qpm: float
    pickup: float
    pitch: tuple[int, ...]
    rhythm: tuple[float, ...]

    def notes(self) -> NoteSequence:
        """Return the notes, a little late or early and with a breath at the end of each."""
        edge = np.concatenate([[0], np.cumsum(self.rhythm)]) * 60 / self.qpm + 0.3
        onset = edge[:-1] + np.random.default_rng(4).normal(0, 0.008, len(self.pitch))
        return NoteSequence(
            onset_s=onset,
            end_s=edge[1:] - 0.06,
            pitch=np.array(self.pitch),
            velocity=np.full(len(onset), 80),
        )


TWINKLE = (60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60)
TWINKLE_WHOLE = (*TWINKLE, *(67, 67, 65, 65, 64, 64, 62) * 2, *TWINKLE)
TWINKLE_RHYTHM = (1, 1, 1, 1, 1, 1, 2) * 6
ODE = (64, 64, 65, 67, 67, 65, 64, 62, 60, 60, 62, 64)
WALTZ = (67, 72, 71, 72, 74, 76, 74, 72, 67, 74, 72, 74, 76, 77, 76, 74, 67, 76, 74, 72, 71, 69, 71)
WASHERWOMAN = "dc BGGDGG BGBdcB cAAEAA cAcedc BGGDGG BGBdcB cBcAdc BGGG".replace(" ", "")
JIG = tuple(
    dict(zip("DEGABcde", (62, 64, 67, 69, 71, 72, 74, 76), strict=True))[c] for c in WASHERWOMAN
)
PLAIN = {
    "quarters and halves": PlainTune("4/4", 100, 0, TWINKLE_WHOLE, TWINKLE_RHYTHM),
    "slow": PlainTune("4/4", 80, 0, TWINKLE_WHOLE, TWINKLE_RHYTHM),
    "dotted": PlainTune(
        "4/4", 108, 0, (*ODE, 64, 62, 62, *ODE, 62, 60, 60), (*(1,) * 12, 1.5, 0.5, 2) * 2
    ),
    "waltz with pickup": PlainTune(
        "3/4", 140, 1, (*WALTZ, 72), (1, *(2, 1) * 3, 2, 1, *(2, 1) * 7, 3)
    ),
    "jig": PlainTune("6/8", 150, 1, JIG, (*(0.5,) * 47, 1)),
}


@pytest.mark.parametrize("tune", PLAIN.values(), ids=PLAIN.keys())
def test_plain_tune_has_its_meter_and_tempo(tune: PlainTune) -> None:
    notes = tune.notes()
    bars = estimate_bars(notes, track_pulses(notes.onset_s))
    assert {METERS[i] for i in bars.path.meters} == {tune.meter}
    assert 15 / bars.cell_s == pytest.approx(tune.qpm, rel=0.04)
    assert bars.path.lines[0] == tune.pickup * 4


def test_hum_of_quarters_is_transcribed_in_its_meter() -> None:
    tune = PLAIN["waltz with pickup"]
    notes = tune.notes()
    at = np.arange(int((notes.end_s[-1] + 0.5) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = np.zeros(len(at))
    for pitch, begin, stop in zip(notes.pitch, notes.onset_s, notes.end_s, strict=True):
        level = np.minimum((at - begin) / 0.03, (stop - at) / 0.05).clip(0, 1)
        hz = 440 * 2 ** ((pitch - 69) / 12)
        sound += level * sum(np.sin(2 * np.pi * k * hz * at) / k**2 for k in range(1, 5))
    options = TranscribeOptions()
    result = transcription.transcribe((0.2 * sound).astype(np.float32), "hum.wav", options)
    assert "bars of 3/4 at 140" in result.transcription_note


def test_compound_meter_needs_compound_subdivisions() -> None:
    quarters, lines = np.arange(0, 96, 4), np.arange(0, 96, 12)
    assert collect_rhythm_evidence(quarters, lines, 0.1, "3/4")["compound_unheard"] == 0
    dotted_quarters = np.arange(0, 96, 6)
    unheard = collect_rhythm_evidence(dotted_quarters, lines, 0.1, "6/8")
    assert unheard["compound_unheard"] == 1
    jig = collect_rhythm_evidence(np.arange(0, 96, 2), lines, 0.1, "6/8")
    assert jig["compound_unheard"] == 0 == jig["slow"] == jig["fast"]  # 100 beats a minute
    assert jig["recurring_rhythm"] == 1
    fast = collect_rhythm_evidence(np.arange(0, 96, 9), lines, 0.05, "4/4")
    assert fast["fast"] > 0.7 and fast["dotted_values"] > 0.7


def test_notes_snap_to_a_key() -> None:
    sung = np.array([60.4, 61.4, 62.6])
    assert snap_to_key(np.array([60, 61, 63]), sung, 0).tolist() == [60, 62, 62]


# -- from the command line ----------------------------------------------------------------------


def test_transcribe_writes_midi_and_prints_a_summary(tmp_path: Path) -> None:
    hum, chords = tmp_path / "hum.wav", tmp_path / "chords.wav"
    hum.write_bytes(record_birthday_song()[1])
    chords.write_bytes(encode_audio(chord(60, 64, 67, 71), SAMPLE_RATE_HZ))
    done = CliRunner().invoke(
        main, ["transcribe", str(tmp_path), "--out", str(tmp_path / "out"), "--json", "--plot"]
    )
    assert done.exit_code == 1
    assert "chords.wav: several notes at once" in done.stderr
    assert f"{hum}: recognized one voice, " in done.stderr
    line = json.loads(done.stdout)
    assert line["kind"] == "transcribed" and line["meters"] and line["bars"] > 2
    assert read(line["path"]).n_notes == line["notes"]
    assert (tmp_path / "out" / "hum.png").is_file()


def test_transcribe_declines_songs_and_wrong_usage(tmp_path: Path) -> None:
    song = tmp_path / "song.mid"
    write(Song.new([Part.empty()]), song)
    done = CliRunner().invoke(main, ["transcribe", str(song)])
    assert done.exit_code == 1 and "already a song" in done.stderr
    done = CliRunner().invoke(main, ["transcribe", str(song), "--key", "H"])
    assert done.exit_code == 2 and "no key" in done.stderr


def test_commands_read_recordings_but_prepare_skips_them(tmp_path: Path) -> None:
    hum = tmp_path / "hum.mid"  # whatever its name
    hum.write_bytes(record_birthday_song("la")[1])
    assert read(hum).n_notes > 15
    done = CliRunner().invoke(main, ["inspect", str(hum)])
    assert done.exit_code == 0 and "read as single voice" in done.stdout
    done = CliRunner().invoke(main, ["inspect", str(tmp_path)])
    assert done.exit_code == 1 and "an audio file" in done.stdout
    done = CliRunner().invoke(main, ["prepare", str(tmp_path), "--out", str(tmp_path / "shards")])
    assert done.exit_code == 1
    report = json.loads((tmp_path / "shards" / "report.json").read_text("utf-8"))
    assert "an audio file" in report["skipped"][0]["reason"]
