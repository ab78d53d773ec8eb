"""Chords found from notes: beats, decoding, estimates, and the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.chords.states import chord_states
from musicvae.chords import Chord, ChordMap, format_symbol, parse_harte, parse_symbol
from musicvae.chords.roman import format_roman
from musicvae.cli import main
from musicvae.downbeats import estimate_barlines
from musicvae.harmony import (
    chord_estimation,
    estimate_chords,
    network,
    song_key,
    stated_or_found_chords,
    with_chords,
)
from musicvae.harmony.decoding import decode
from musicvae.harmony.features import find_beats, measure_notes
from musicvae.harmony.network import ESTIMATED, N_STATES, load_weights
from musicvae.io import write
from musicvae.representation.grid import grid_from_song
from musicvae.song import KeyMap, MeterMap, Part, Song
from musicvae.tools.chords import find_chords, lead_sheet
from support.songs import small_band

TPQ = 480


def parsed(symbol: str) -> Chord:
    found = parse_symbol(symbol)
    assert found
    return found[0]


def block_song(
    symbols: str, quarters: int = 4, *, broken: bool = False, melody: bool = False
) -> Song:
    """Chords over basses, each for some quarters, as blocks or arpeggios in eighths."""
    notes: list[tuple[int, int, int]] = []
    for i, symbol in enumerate(symbols.split()):
        chord = parsed(symbol)
        start, bass = i * quarters * TPQ, 36 + (7 * chord.bass - 36) % 12
        tones = sorted(48 + (p - 48) % 12 for p in chord.pitch_classes)
        if broken:
            pattern = [bass, *tones]
            for k in range(2 * quarters):
                notes += [(start + k * TPQ // 2, TPQ // 2, pattern[k % len(pattern)])]
        else:
            notes += [(start + q * TPQ, TPQ, p) for q in range(quarters) for p in (bass, *tones)]
        if melody:
            notes.append((start, quarters * TPQ, 72 + (tones[i % len(tones)] % 12)))
    onset, duration, pitch = np.array(sorted(set(notes))).T
    part = Part.empty("piano").with_notes(onset, duration, pitch, np.full(len(pitch), 80))
    return Song.new([part], ticks_per_quarter=TPQ, meter=(quarters, 4))


def melody_song() -> Song:
    notes = [(i * TPQ, TPQ, p, 80) for i, p in enumerate([60, 64, 67, 64, 65, 69, 67, 60])]
    return Song.new([Part.empty("flute").with_notes(*np.array(notes).T)], ticks_per_quarter=TPQ)


PROGRESSIONS = [
    "C Am F G",
    "Em Bm C D7",
    "Bb/D F/A Gm Eb",
    "Am7 D7 Gmaj7 Cmaj7 F#m7b5 B7 Em",
    "A A E E",
]


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("symbols", PROGRESSIONS)
def test_plain_progressions_are_found_with_their_basses(symbols: str, broken: bool) -> None:
    song = block_song(f"{symbols} {symbols}", broken=broken)
    found = estimate_chords(song)
    at = found.chords.entry_at(np.arange(0, song.end_ticks, 4 * TPQ))
    names = [found.chords.labels(format_symbol)[i] for i in at]
    roots = [name.partition("/") for name in names]
    expected = [s.partition("/") for s in f"{symbols} {symbols}".split()]
    same = [
        parsed(a[0]).root % 12 == parsed(b[0]).root % 12 and a[2] == b[2]
        for a, b in zip(roots, expected, strict=True)
    ]
    assert np.mean(same) >= 0.85, names
    assert found.source == "found" and not found.is_weak
    assert ((found.confidence > 0) & (found.confidence <= 1 + 1e-9)).all()


def test_transposed_songs_have_transposed_chords() -> None:
    song = block_song("C Am7 F G7 C F/A G C")
    original = estimate_chords(song).chords
    for semitones in (1, 5, -4):
        part = song.parts[0]
        moved = replace(song, parts=(replace(part, pitch=part.pitch + semitones),))
        found = estimate_chords(moved).chords
        assert found.ticks.tolist() == original.ticks.tolist()
        assert found.quality.tolist() == original.quality.tolist()
        assert ((7 * found.root - 7 * original.root - semitones) % 12 == 0).all()


def test_spelling_follows_the_key() -> None:
    song = block_song("Bb Eb F Bb Cm F7 Bb Bb")
    assert {label[:2] for label in estimate_chords(song).chords.labels()} <= {
        "Bb",
        "Eb",
        "F:",
        "C:",
    }
    sharp = block_song("F# B C# F# G#m C#7 F# F#")
    key = KeyMap(ticks=[0], fifths=[6], minor=[0])
    labels = estimate_chords(replace(sharp, key=key)).chords.labels()
    assert {label.partition(":")[0] for label in labels} <= {"F#", "B", "C#", "G#"}


def test_songs_without_pitched_notes() -> None:
    drums = replace(small_band(), parts=tuple(p for p in small_band().parts if p.is_drum))
    for song in (Song.new(), Song.new(end_ticks=5 * TPQ), drums):
        found = estimate_chords(song)
        assert len(found.chords) == len(found.confidence) == 0 and found.source == "none"
        assert with_chords(song) == song
        assert find_chords(estimate_barlines(song)).chords == ()


def test_melody_alone_is_weak_and_not_drawn() -> None:
    song = melody_song()
    assert estimate_chords(song).is_weak
    assert not len(with_chords(song).chords)


def test_stated_chords_are_kept() -> None:
    stated = ChordMap.from_chords([(0, parsed("Dm7")), (960, parsed("Dm7")), (1920, parsed("G7"))])
    song = replace(block_song("C Am F G"), chords=stated)
    kept = stated_or_found_chords(song)
    assert (kept.source, kept.chords.labels()) == ("stated", ["D:min7", "G:7"])
    assert find_chords(estimate_barlines(song)).source == "stated"
    found = find_chords(estimate_barlines(song), ignore_stated=True)
    assert found.source == "found" and found.chords[0].reason


@pytest.mark.parametrize(
    ("meter", "beats"),
    [((4, 4), 4), ((3, 4), 3), ((6, 8), 2), ((2, 2), 4), ((5, 8), 5), ((3, 8), 1)],
)
def test_beats_of_meters(meter: tuple[int, int], beats: int) -> None:
    bar = 4 * TPQ * meter[0] // meter[1]
    part = Part.empty().with_notes([0], [2 * bar], [60], [80])
    song = Song.new([part], meter=meter, ticks_per_quarter=TPQ)
    found = find_beats(grid_from_song(song, 24))
    assert len(found) == 2 * beats
    assert found.start_ticks[beats] == bar and found.strength[beats] == 2
    assert (np.diff(found.start_ticks) > 0).all()
    assert measure_notes(song, found).coverage[:, 0].tolist() == [1.0] * (2 * beats)


def test_pickups_have_the_beats_of_their_end() -> None:
    part = Part.empty().with_notes([0, TPQ], [TPQ, 4 * TPQ], [60, 62], [80, 80])
    meter = MeterMap(ticks=[0, TPQ], numerator=[1, 4], denominator=[4, 4])
    song = replace(Song.new([part], ticks_per_quarter=TPQ), meter=meter)
    beats = find_beats(grid_from_song(song, 24))
    assert beats.start_ticks.tolist() == [0, *range(TPQ, 5 * TPQ, TPQ)]
    assert beats.strength.tolist() == [0, 2, 0, 1, 0]


def test_decoding_prefers_a_chord_that_lasts() -> None:
    weights = load_weights()
    log_probs = np.full((16, N_STATES), -12.0)
    c, g = (int(chord_states(np.array([f]), np.array([1]))[0]) for f in (0, 1))
    log_probs[:, c] = np.log(0.5)
    log_probs[5, c], log_probs[5, g] = np.log(0.45), np.log(0.5)
    log_probs[8:, g], log_probs[8:, c] = np.log(0.9), np.log(0.05)
    strength = np.array([2, 0, 1, 0] * 4)
    state, posterior = decode(log_probs, strength, weights)
    assert state.tolist() == [c] * 8 + [g] * 8
    assert ((posterior > 0) & (posterior <= 1 + 1e-9)).all()


def test_beats_are_predicted_in_blocks(monkeypatch) -> None:
    song = block_song("C Am7 F G7 C F/A G C")
    whole = estimate_chords(song)
    monkeypatch.setattr(network, "_BLOCK_BEATS", 5)
    blocks = estimate_chords(song)
    assert blocks.chords == whole.chords
    np.testing.assert_allclose(blocks.confidence, whole.confidence, rtol=1e-4)


def test_chords_of_a_long_song_end_where_the_analysis_ends(monkeypatch) -> None:
    song = block_song("C Am7 F G7 C F G C")
    monkeypatch.setattr(chord_estimation, "MAX_BEATS", 16)
    found = estimate_chords(song)
    assert (found.chords.ticks[-1], found.chords.labels()[-1]) == (16 * TPQ, "N")
    assert found.confidence[-1] == 0 and found.reasons[-1] == "only the first 16 beats are analyzed"
    short = estimate_chords(block_song("C Am7 F G7"))
    assert found.chords.labels()[:-1] == short.chords.labels()
    assert len(found.confidence) == len(found.reasons) == len(found.chords)


def test_known_bars_are_not_estimated_again(monkeypatch) -> None:
    song = block_song("C Am F G")
    grid = grid_from_song(song, 24)
    expected = estimate_chords(song)
    monkeypatch.setattr(chord_estimation, "grid_from_song", lambda *_: pytest.fail("known"))
    assert estimate_chords(song, grid=grid).chords == expected.chords


def test_every_quality_has_a_state_or_none() -> None:
    for name in ESTIMATED:
        quality = parse_harte(f"C:{name}")
        assert quality
        state = chord_states(np.array([0]), np.array([quality[0].quality]))
        assert ESTIMATED[int(state[0])] == name
    assert chord_states(np.array([0]), np.array([0])).tolist() == [N_STATES - 1]


@pytest.mark.parametrize(
    ("symbol", "key", "numeral"),
    [
        ("C", (0, False), "I"), ("Dm7", (0, False), "ii7"), ("G7/B", (0, False), "V65"),
        ("C/G", (0, False), "I64"), ("F/A", (0, False), "IV6"), ("Bdim", (0, False), "viio"),
        ("Bb", (0, False), "bVII"), ("Am", (0, True), "i"), ("G", (0, True), "VII"),
        ("F", (0, True), "VI"), ("E7", (0, True), "V7"), ("G#dim7", (0, True), "#viio7"),
        ("F#m7b5", (1, False), "vii\u00f87"), ("Eb", (-3, False), "I"), ("N.C.", (0, False), "N"),
        ("Gmaj7/F#", (1, False), "Imaj42"),
    ],
)  # fmt: skip
def test_roman_numerals(symbol: str, key: tuple[int, bool], numeral: str) -> None:
    assert format_roman(parsed(symbol), *key) == numeral


def test_key_of_a_song() -> None:
    assert song_key(block_song("G C D G Em C D G")) == (1, False)
    assert song_key(block_song("Am Dm E Am F Dm E7 Am")) == (0, True)
    wrong = KeyMap(ticks=[0], fifths=[0], minor=[0])
    assert song_key(replace(block_song("Eb Ab Bb Eb"), key=wrong)) == (-3, False)


def test_command_shows_a_chart_and_json(tmp_path) -> None:
    write(block_song("C Am F G C Am F G", melody=True), tmp_path / "song.mid")
    chart = CliRunner().invoke(main, ["chords", "song.mid"], catch_exceptions=False)
    assert chart.exit_code == 1 and "song.mid" in chart.output  # not in this folder
    path = str(tmp_path / "song.mid")
    chart = CliRunner().invoke(main, ["chords", path], catch_exceptions=False)
    assert chart.exit_code == 0
    assert "C major, chords found from the notes" in chart.output
    assert [cell.strip() for cell in chart.output.splitlines()[1].split("|")[1:5]] == [
        "C", "Am", "F", "G",
    ]  # fmt: skip
    roman = CliRunner().invoke(main, ["chords", path, "--roman"], catch_exceptions=False)
    assert "| vi" in roman.output
    lines = CliRunner().invoke(main, ["chords", path, "--json"], catch_exceptions=False).stdout
    (song,) = [json.loads(line) for line in lines.splitlines()]
    assert song["path"] == path
    first, second = song["chords"][:2]
    assert (first["label"], first["start_s"], first["end_s"]) == ("C:maj", 0.0, second["start_s"])
    assert (second["label"], second["start_bar"], second["source"]) == ("A:min", 2, "found")
    assert 0 < first["confidence"] <= 1


def test_pickup_is_bar_0(tmp_path) -> None:
    blocks = block_song("G C C Am F G7 C C", quarters=1)
    meter = MeterMap(ticks=[0, TPQ], numerator=[1, 4], denominator=[4, 4])
    stated = [(0, "G"), (TPQ, "C"), (3 * TPQ, "Am"), (5 * TPQ, "F")]
    chords = ChordMap.from_chords((tick, parsed(symbol)) for tick, symbol in stated)
    song = replace(blocks, meter=meter, chords=chords)
    found = find_chords(estimate_barlines(song, as_written=True))
    places = [(each.start_bar, each.bar_quarters) for each in found.chords]
    assert places == [(0, 3.0), (1, 0.0), (1, 2.0), (2, 0.0)]
    assert [len(bar) for bar in found.by_bar()] == [1, 2, 1]
    write(song, tmp_path / "song.mid")
    words = ("chords", str(tmp_path / "song.mid"), "--as-written")
    chart = CliRunner().invoke(main, words, catch_exceptions=False).stdout.splitlines()
    assert [" ".join(line.split()) for line in chart[1:]] == ["0 | G |", "1 | C Am | F |"]
    shown = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert [each["start_bar"] for each in shown["chords"]] == [0, 1, 1, 2]


def test_key_is_estimated_only_where_it_is_shown(tmp_path, monkeypatch) -> None:
    write(block_song("C Am F G"), tmp_path / "song.mid")
    monkeypatch.setattr("musicvae.harmony.key.song_key", lambda song: pytest.fail("not needed"))
    shown = CliRunner().invoke(main, ["chords", str(tmp_path / "song.mid"), "--json"])
    assert shown.exit_code == 0, shown.output


def test_guesses_are_called_so(tmp_path) -> None:
    write(block_song("C Am F G", melody=True), tmp_path / "song.mid")
    write(melody_song(), tmp_path / "melody.mid")
    for name, source, words in (
        ("song", "found", "chords found: C"),
        ("melody", "guess", "chords guessed from a melody alone: "),
    ):
        path = str(tmp_path / f"{name}.mid")
        for command in ("inspect", "chords"):
            shown = CliRunner().invoke(main, [command, path, "--json"], catch_exceptions=False)
            assert {each["source"] for each in json.loads(shown.stdout)["chords"]} == {source}
        assert words in CliRunner().invoke(main, ["inspect", path]).stdout


def test_lead_sheet_has_the_melody_and_the_chords() -> None:
    found = find_chords(estimate_barlines(block_song("C Am F G C Am F G", melody=True)))
    sheet = lead_sheet(found)
    assert len(sheet.parts) == 1
    assert sheet.chords.labels()[:2] == ["C:maj", "A:min"]
