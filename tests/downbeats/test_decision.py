"""Bar lines of real pieces, estimated after the notated ones are removed or corrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from musicvae.cli import main
from musicvae.data import corpora
from musicvae.data.corpora import Piece
from musicvae.downbeats import estimate_barlines
from musicvae.io import midi, write
from musicvae.representation.grid import grid_from_song
from musicvae.song import MeterMap, Part, Song


@pytest.fixture(scope="module")
def chorales() -> list[Song]:
    """Eight chorales whose bars are all whole but for a pickup."""
    pieces = [p for p in corpora.pieces("chorales", limit=24) if isinstance(p, Piece)]
    songs = [midi.from_bytes(piece.midi) for piece in pieces]
    plain = [song for song in songs if len(song.meter.ticks) <= 2]
    assert len(plain) >= 4
    return plain[:8]


def lines_s(song: Song) -> np.ndarray:
    """Bar lines in seconds up to the last onset, without the start of a pickup."""
    aligned = estimate_barlines(song)
    grid = grid_from_song(aligned.song, 24)
    found = aligned.seconds(grid.start_ticks[int(grid.lead_steps[0] > 0) :])
    last = max(int(part.onset_ticks[-1]) for part in song.parts)
    return found[found <= song.tempo.seconds(last, song.ticks_per_quarter)]


def moved(song: Song, ticks: int) -> Song:
    parts = [
        part.with_notes(part.onset_ticks + ticks, part.duration_ticks, part.pitch, part.velocity)
        for part in song.parts
    ]
    return replace(song, parts=tuple(parts), end_ticks=song.end_ticks + ticks)


def accuracy(songs: list[Song], corrupted: list[Song], late_ticks: int = 0) -> float:
    """Share of songs whose bar lines are all where they were."""
    right = 0
    for song, worse in zip(songs, corrupted, strict=True):
        late = float(song.tempo.seconds(late_ticks, song.ticks_per_quarter))
        want, got = lines_s(song) + late, lines_s(worse)
        right += len(want) == len(got) and bool(np.allclose(want, got, atol=0.03))
    return right / len(songs)


def test_correct_bar_lines_are_kept(chorales: list[Song]) -> None:
    for song in chorales:
        aligned = estimate_barlines(song)
        assert aligned.song is song
        assert aligned.is_identity
        assert aligned.choice.source == "stated"
        assert aligned.choice.confidence > 0.5
        assert aligned.grid_estimate.is_metrical


@pytest.mark.parametrize("meter", [(4, 4), (1, 4), (1, 8)])
def test_bar_lines_are_estimated_without_a_signature(
    chorales: list[Song], meter: tuple[int, int]
) -> None:
    bare = [replace(song, meter=MeterMap.constant(*meter)) for song in chorales]
    assert accuracy(chorales, bare) >= 0.7


@pytest.mark.parametrize("ticks", [37, 95, 240, 480, 1100])
def test_offset_is_removed(chorales: list[Song], ticks: int) -> None:
    late = [moved(song, ticks) for song in chorales]
    assert accuracy(chorales, late, ticks) >= 0.7


def test_mid_bar_signature_is_dropped(chorales: list[Song]) -> None:
    worse = []
    for song in chorales:
        tick = int(grid_from_song(song, 24).start_ticks[5]) + 600
        meter = song.meter
        odd = MeterMap(
            ticks=np.append(meter.ticks, tick),
            numerator=np.append(meter.numerator, meter.numerator[-1]),
            denominator=np.append(meter.denominator, meter.denominator[-1]),
        )
        worse.append(replace(song, meter=odd))
    assert accuracy(chorales, worse) >= 0.7


def test_as_written_keeps_any_meter(chorales: list[Song]) -> None:
    bare = replace(chorales[0], meter=MeterMap.constant(1, 8))
    aligned = estimate_barlines(bare, as_written=True)
    assert aligned.song is bare
    assert aligned.choice.source == "stated"


def test_as_written_does_not_accept_a_performance_off_the_grid() -> None:
    rng = np.random.default_rng(0)
    onset = np.cumsum(rng.integers(60, 700, 200))
    free = Song.new(
        [Part.empty().with_notes(onset, onset * 0 + 50, onset % 12 + 60, onset * 0 + 70)]
    )
    assert estimate_barlines(free).grid_estimate.reject_reason
    assert (
        estimate_barlines(free, as_written=True).grid_estimate.reject_reason
        == estimate_barlines(free).grid_estimate.reject_reason
    )
    score = estimate_barlines(free, has_notated_bars=True)  # unlikely, but notated
    assert score.song is free
    assert not score.grid_estimate.reject_reason


def test_undo_restores_the_file(chorales: list[Song]) -> None:
    for song in chorales[:3]:
        late = replace(moved(song, 137), meter=MeterMap.constant(1, 4))
        aligned = estimate_barlines(late)
        assert aligned.song != late
        assert aligned.undo(aligned.song) == late


@pytest.mark.parametrize("drifts", [False, True])
def test_first_note_ahead_of_the_beat_is_not_a_pickup(drifts: bool) -> None:
    """Played to a click, a little late except for the first hit, which begins the file."""
    beat = np.arange(64) * 240
    late = 40 + beat // 100 if drifts else 40
    onset = beat + np.where(beat > 0, late, 0)
    kit = Part.empty(is_drum=True).with_notes(
        onset, onset * 0 + 20, np.where(np.arange(64) % 4, 42, 36), onset * 0 + 80
    )
    aligned = estimate_barlines(Song.new([kit]))
    assert aligned.grid_estimate.drifts == drifts
    assert aligned.undo(aligned.song) == Song.new([kit])
    grid = grid_from_song(aligned.song, 24)
    assert (len(grid), grid.lead_steps[0]) == (8, 0)
    assert np.abs(aligned.song.parts[0].onset_ticks - beat).max() <= 10
    assert aligned.offset_s == pytest.approx(0.0 if drifts else 40 / 960, abs=0.005)


def test_silence_and_single_notes_are_unchanged() -> None:
    one = Part.empty().with_notes([480], [120], [60], [80])
    for song in (Song.new(end_ticks=960), Song.new([one]), Song.new([one], meter=(1, 8))):
        aligned = estimate_barlines(song)
        assert aligned.song is song
        assert aligned.undo(aligned.song) == song


def test_inspect_json_is_complete(chorales: list[Song], tmp_path: Path) -> None:
    late = replace(moved(chorales[0], 60), meter=MeterMap.constant(1, 4))
    path = write(late, tmp_path / "late.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd and no more")
    done = CliRunner().invoke(main, ["inspect", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    broken, seen = (json.loads(line) for line in done.stdout.splitlines())
    assert broken["ok"] is False
    assert "truncated" in broken["reason"]
    assert seen["path"] == str(path)
    assert seen["ok"] is True
    assert seen["reason"] is None
    for key in ("meters", "tempos", "parts", "grid", "bars", "warnings", "bar_lines", "format"):
        assert seen[key], key
    assert {"steps_per_quarter", "offset_s", "tightness"} <= set(seen["grid"])
    assert seen["bar_lines"]["source"] in ("shifted", "inferred")
    assert [bar["index"] for bar in seen["bars"]] == list(range(len(seen["bars"])))
    assert all(
        a["end_s"] == b["start_s"] for a, b in zip(seen["bars"], seen["bars"][1:], strict=False)
    )
    assert {part["role"] for part in seen["parts"]} == {"melody", "other", "bass"}


def test_inspect_of_one_file_prints_text(chorales: list[Song], tmp_path: Path) -> None:
    path = write(chorales[0], tmp_path / "song.mid")
    done = CliRunner().invoke(main, ["inspect", str(path)])
    assert done.exit_code == 0, done.output
    assert "bar lines stated" in done.stdout
    assert "Soprano" in done.stdout
    assert "named 'Soprano'" in done.stdout


def test_inspect_of_unusable_files_fails(tmp_path: Path) -> None:
    path = tmp_path / "not-music.mid"
    path.write_text("no music at all")
    done = CliRunner().invoke(main, ["inspect", str(path)])
    assert done.exit_code == 1
    assert "not a MIDI file" in done.stdout
    missing = CliRunner().invoke(main, ["inspect", str(tmp_path / "none.mid")])
    assert missing.exit_code == 1
    assert "no such file" in missing.stdout
