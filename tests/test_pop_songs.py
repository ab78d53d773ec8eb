"""Lead sheets and their pop arrangements, which train and test the downbeat network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from experiments.downbeats.known_bars import bar_lines
from experiments.downbeats.lead_sheets import LeadSheet, read_lead_sheet
from experiments.downbeats.pop_bars import mistake, played
from experiments.downbeats.pop_songs import HELD_OUT, STYLES, TICKS, arrange, made_sheet

NOTE = "<note><pitch><step>{}</step><octave>4</octave></pitch><duration>{}</duration>{}</note>"
HARMONY = "<harmony><root><root-step>{}</root-step>{}</root><kind>{}</kind></harmony>"


def _write(path: Path, measures: list[str], beats: int = 4) -> Path:
    time = f"<time><beats>{beats}</beats><beat-type>4</beat-type></time>"
    head = f"<attributes><divisions>2</divisions>{time}</attributes>"
    bars = "".join(f"<measure>{head * (i == 0)}{m}</measure>" for i, m in enumerate(measures))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("song.xml", f"<score-partwise><part>{bars}</part></score-partwise>")
    return path


def test_a_lead_sheet_has_melody_chords_and_bars(tmp_path: Path) -> None:
    pickup = NOTE.format("G", 2, "")
    flat = "<root-alter>-1</root-alter>"
    bar = HARMONY.format("B", flat, "minor-seventh") + NOTE.format("C", 2, "") * 4
    tie = NOTE.format("E", 8, '<tie type="start"/>'), NOTE.format("E", 8, '<tie type="stop"/>')
    sheet = read_lead_sheet(_write(tmp_path / "a.mxl", [pickup, *[bar] * 7, *tie, bar]))
    assert sheet is not None
    assert sheet.meter == (4, 4)
    assert sheet.bars == [1 + 4 * i for i in range(11)]
    assert sheet.chords[0] == (1, 10, (0, 3, 7, 10))
    assert sheet.melody[:2] == [(0, 1, 67), (1, 1, 60)]
    assert (29, 8, 64) in sheet.melody


def test_an_irregular_lead_sheet_is_left_out(tmp_path: Path) -> None:
    bar = HARMONY.format("C", "", "major") + NOTE.format("C", 2, "") * 4
    short = HARMONY.format("C", "", "major") + NOTE.format("C", 2, "") * 3
    assert read_lead_sheet(_write(tmp_path / "a.mxl", [bar, short] * 8)) is None
    assert read_lead_sheet(_write(tmp_path / "b.mxl", [bar] * 16)) is not None


def _sheet(meter: tuple[int, int]) -> LeadSheet:
    full = 4 * meter[0] / meter[1]
    melody = [(i * full / 4, full / 4, 60 + i % 5) for i in range(64)]
    chords = [(i * full, 7 * i % 12, (0, 4, 7)) for i in range(16)]
    return LeadSheet("tune", melody, chords, [i * full for i in range(17)], meter)


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("meter", [(4, 4), (3, 4), (6, 8), (2, 4)])
def test_an_arrangement_keeps_the_bars_of_its_sheet(meter: tuple[int, int], held_out: bool) -> None:
    full = 4.0 if meter == (2, 4) else 4 * meter[0] / meter[1]
    for seed in range(12):
        song = arrange(_sheet(meter), np.random.default_rng(seed), held_out=held_out).song
        gaps = np.diff([tick for tick, _ in bar_lines(song)]) / TICKS
        # A bar of two quarters may be inserted, and nothing else differs.
        assert np.count_nonzero(np.abs(gaps - full) > 0.01) <= 1
        assert len(gaps) >= 14


def test_made_songs_can_be_arranged() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        one = arrange(made_sheet(rng), rng, held_out=False)
        assert len(bar_lines(one.song)) > 16
        assert one.song.n_notes > 64


def test_styles_held_out_are_not_trained_on() -> None:
    for kind, styles in HELD_OUT.items():
        assert not set(styles) & set(STYLES[kind])
        for left, right in (*styles, *STYLES[kind]):
            assert len(left) == len(right) == kind[0]


def test_mistakes_are_named() -> None:
    truth = np.arange(40) * 2.0
    assert mistake(truth, truth[::2]) == "bars 2.00 as long"
    assert mistake(truth, truth - 0.25) == "7/8 of a bar late"
    assert mistake(truth, np.append(truth[:20], truth[20:] + 0.5)) == "phase slips"


def test_a_played_song_is_late_and_its_bar_lines_move_along() -> None:
    one = arrange(_sheet((4, 4)), np.random.default_rng(3), held_out=True)
    song, lines = played(one, "1/4", np.random.default_rng(0))
    assert song.meter.numerator.tolist() == [1]
    late = lines - one.song.tempo.seconds(np.array([t for t, _ in bar_lines(one.song)]), TICKS)
    moved = [p.onset_ticks.mean() - q.onset_ticks.mean()
             for p, q in zip(song.parts, one.song.parts, strict=True)]  # fmt: skip
    quarter_s = 60 / float(song.tempo.qpm[0])
    assert np.allclose(np.array(moved) / TICKS * quarter_s, late.mean(), atol=0.05)
