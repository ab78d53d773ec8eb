from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.image import imread

from musicvae.errors import ConfigError, DataError, WriteError
from musicvae.plots import (
    DARK,
    LIGHT,
    Theme,
    plot_changes,
    plot_curves,
    plot_latents,
    plot_map,
    plot_matrix,
    plot_scores,
    plot_song,
    plot_sound,
    plot_square,
    plot_strip,
    style,
    theme,
)
from musicvae.plots.comparison import square_figure, strip_figure
from musicvae.plots.heatmap import matrix_figure
from musicvae.plots.layout import beats, laid_out, tempo_marks
from musicvae.plots.pianoroll import song_figure
from musicvae.plots.spectrogram import levels_db
from musicvae.plots.themes import mixed
from musicvae.song import Meter, Song, TempoMap
from support.encodings import encoding
from support.small_songs import band, chorale
from support.strategies import part_of, songs


def texts(song: Song, **options: int) -> list[str]:
    figure = song_figure(song, "A title", **options)
    found = [text.get_text() for text in figure.texts]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
        found += [label.get_text() for label in axes.get_yticklabels()]
    return found


@pytest.mark.parametrize("song", [chorale(), band()], ids=["chorale", "band"])
def test_a_picture_says_what_a_musician_asks(song: Song) -> None:
    said = texts(song)
    assert "A title" in said
    assert {part.name for part in song.parts} <= set(said)
    assert "4/4" in said
    assert f"♩ = {round(song.tempo.qpm[0])}" in said
    assert {"1", "2", "3", "4"} <= set(said)
    assert {"C3", "C4", "C5"} <= set(said)


def test_drums_have_a_lane_with_names() -> None:
    assert {"Kick", "Snare", "Hi-hat"} <= set(texts(band()))
    assert "Kick" not in texts(chorale())
    kit = Song.new([band().parts[2]])
    assert not {"C3", "C4"} & set(texts(kit))


def test_each_note_is_drawn_once_a_row_with_an_edge_where_it_begins() -> None:
    # A note over two rows and two repeated ones.
    notes = [(0, 96 * 9, 60, 64), (0, 24, 64, 64), (24, 24, 64, 64)]
    figure = song_figure(Song.new([part_of(notes, 20)]))
    drawn = [
        len(c.get_paths()) for axes in figure.axes for c in axes.collections if c.get_zorder() == 3
    ]
    edges = [
        len(c.get_segments())  # type: ignore[attr-defined]
        for axes in figure.axes
        for c in axes.collections
        if c.get_zorder() == 4
    ]
    assert drawn == [3, 1]
    assert sum(edges) == 3


@pytest.mark.parametrize(
    ("n_bars", "rows"), [(1, 1), (8, 1), (9, 2), (192, 24), (193, 13), (900, 15)]
)
def test_long_songs_wrap_into_rows_and_stay_printable(n_bars: int, rows: int) -> None:
    layout = laid_out(Song.new([part_of([(0, 24, 60, 64)], 20)], end_ticks=1920 * n_bars))
    assert len(layout.rows) == rows
    assert layout.rows[0][0] == 0
    assert layout.rows[-1][1] == n_bars
    assert all(one[1] == other[0] for one, other in zip(layout.rows, layout.rows[1:], strict=False))


def test_after_a_pickup_rows_begin_with_the_bars_people_count() -> None:
    layout = laid_out(chorale(bars=20))
    assert layout.rows == [(0, 9), (9, 17), (17, 21)]
    assert layout.has_pickup
    assert "0" not in texts(chorale(bars=20))


def test_parts_on_one_pitch_are_drawn_inside_each_other() -> None:
    line = part_of([(0, 48, 60, 64), (48, 24, 60, 64)], 20)
    layout = laid_out(Song.new([line, replace(line, name="other")]))
    assert sorted(layout.pitched.level.tolist()) == [0, 0, 1, 1]
    alone = laid_out(Song.new([line]))
    assert alone.pitched.level.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        ((4, 4), [480, 960, 1440]),
        ((6, 8), [720]),
        ((5, 8), [240, 480, 720, 960]),
        ((3, 8), [240, 480]),
    ],
)
def test_beats_are_those_of_the_meter(meter: tuple[int, int], expected: list[float]) -> None:
    song = Song.new([part_of([(0, 24, 60, 64)], 20)], meter=meter)
    assert beats(laid_out(song).grid, 0).tolist() == expected


def test_the_tempo_is_told_where_it_changes() -> None:
    tempo = TempoMap(
        ticks=np.array([0, 480, 960]), us_per_quarter=np.array([500_000, 501_000, 600_000])
    )
    assert tempo_marks(replace(band(), tempo=tempo)) == [(0, 120), (960, 100)]


def test_a_change_of_meter_is_told_even_in_narrow_bars() -> None:
    meter = Meter(
        ticks=np.array([0, 1920, 1980, 3900]),
        numerator=np.array([4, 1, 3, 7]),
        denominator=np.array([4, 32, 4, 8]),
    )
    said = texts(replace(chorale(), meter=meter))
    assert {"4/4", "1/32", "3/4", "7/8"} <= set(said)


def test_colours_differ_and_louder_is_darker() -> None:
    many = [LIGHT.part(i) for i in range(12)]
    assert len(set(many)) == 12
    assert many[:6] == list(LIGHT.parts)
    shades = mixed("#0072B2", np.array([0.3, 0.6, 1.0])).sum(-1)
    assert (np.diff(shades) < 0).all()


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_song_is_the_same_picture(tmp_path: Path, suffix: str) -> None:
    one = plot_song(band(), tmp_path / f"one{suffix}", "Band")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "svg.hashsalt": "x"}):
        other = plot_song(band(), tmp_path / f"other{suffix}", "Band")
    assert one.read_bytes() == other.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [one.name, other.name]


def test_a_png_is_a_picture_with_colours(tmp_path: Path) -> None:
    picture = imread(plot_song(chorale(), tmp_path / "a.PNG"))
    assert picture.shape[1] == 1380
    share = [
        (np.abs(picture[..., :3] - mixed(c, 0.8)).max(-1) < 0.15).mean() for c in LIGHT.parts[:4]
    ]
    assert min(share) > 1e-4


@settings(max_examples=12)
@given(songs())
def test_any_song_can_be_drawn(song: Song) -> None:
    song_figure(song).canvas.draw()


@pytest.mark.parametrize("name", ["$x_1$ \\frac", "合唱団", "line\nbreak\ttab", "x" * 200, "<&>"])
def test_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    song = Song.new([part_of([(0, 24, 60, 64)], 20, name=name)])
    for suffix in (".png", ".svg"):
        assert plot_song(song, tmp_path / f"a{suffix}", name).stat().st_size > 1000


def test_nothing_to_draw_is_still_a_picture(tmp_path: Path) -> None:
    assert plot_song(Song.new(), tmp_path / "none.png").is_file()
    assert plot_song(Song.new(end_ticks=1920), tmp_path / "silent.png").is_file()


def test_formats_that_we_cannot_draw_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"no picture format .gif; use .png, .svg, .pdf"):
        plot_song(band(), tmp_path / "a.gif")


def test_pyplot_is_not_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from musicvae import Song; from musicvae.plots import plot_song;"
        f"plot_song(Song.new(end_ticks=960), {str(tmp_path / 'a.png')!r});"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- curves ---------------------------------------------------------------------------------------

ROWS = [
    {"step": 100 * i, "minutes": i / 2, "train_loss": 90 / i, "valid_loss": 100 / i,
     "valid_f1": 1 - 1 / i, "valid_f1_sampled": 0.9 - 0.8 / i, "valid_kl_bits": 20 * i}
    for i in range(1, 6)
]  # fmt: skip


def test_curves_from_numbers_or_text_are_the_same(tmp_path: Path) -> None:
    one = plot_curves(ROWS, tmp_path / "one.png", "run $1$")
    text = [{name: str(value) for name, value in row.items()} for row in ROWS]
    other = plot_curves(text, tmp_path / "other.png", "run $1$")
    assert one.read_bytes() == other.read_bytes()


def test_curves_do_without_columns_and_bad_numbers(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"minutes": 1, "valid_f1": float("nan"), "valid_loss": ""},
        {"minutes": 2, "valid_f1": 0.5},
    ]
    assert plot_curves(rows, tmp_path / "a.svg").is_file()
    with pytest.raises(DataError, match="no metrics"):
        plot_curves([], tmp_path / "b.svg")


# -- themes ---------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes (2009), severity 1: linear rgb as it is seen.
_SEEN = {
    "all": np.eye(3),
    "without red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "without green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "without blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of a colour as one sees it who sees so."""
    rgb = mixed(colour, 1.0)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    xyz = to_xyz @ np.clip(seen @ linear, 0, 1) / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
@pytest.mark.parametrize("seen", _SEEN, ids=str)
def test_parts_are_told_apart_by_the_colour_blind(look: Theme, seen: str) -> None:
    found = [lab(colour, _SEEN[seen]) for colour in look.parts]
    paper = lab(look.paper, _SEEN[seen])
    apart = [np.linalg.norm(a - b) for i, a in enumerate(found) for b in found[:i]]
    assert min(apart) > 14  # 2 is just noticed
    assert min(np.linalg.norm(each - paper) for each in found) > 30


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
def test_words_stand_out_from_paper(look: Theme) -> None:
    """Contrast as WCAG 2 has it: 4.5 for text."""

    def light(colour: str) -> float:
        rgb = mixed(colour, 1.0)
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for words in (look.ink, look.grey):
        low, high = sorted([light(words), light(look.paper)])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_dark_paper_is_dark_and_none_is_transparent(tmp_path: Path) -> None:
    dark = imread(plot_song(band(), tmp_path / "dark.png", "Band", look=DARK))
    assert np.median(dark[..., :3]) < 0.2
    none = imread(plot_song(band(), tmp_path / "n.png", look=theme("dark", transparent=True)))
    assert none[0, 0, 3] == 0 and none[..., 3].max() == 1
    with pytest.raises(ConfigError, match="light or dark"):
        theme("grey")


# -- other pictures -------------------------------------------------------------------------------


def said(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.texts}


@pytest.mark.parametrize(("suffix", "look"), [(".png", DARK), (".svg", LIGHT)], ids=["png", "svg"])
def test_every_picture_has_every_look_and_format(tmp_path: Path, suffix: str, look: Theme) -> None:
    places = iter([tmp_path / f"{nth}{suffix}" for nth in range(8)])
    numbers, bars = np.arange(3), np.array([0.1, 2.5, np.nan])
    parts = np.array([[0.1, 3.0], [np.nan, 0.2], [0.0, 0.0]])
    moved = np.array([[1.0, np.nan], [-0.5, 0]])
    drawn = (
        plot_changes(chorale(), chorale(seed=1), next(places), "a", look=look),
        plot_curves(ROWS, next(places), look=look),
        plot_scores(numbers, bars, parts, ["$a$", "b"], next(places), look=look),
        plot_map(np.eye(3, 2), ["$a", "b", "b"], next(places), title="", colour_name="", look=look),
        plot_strip([chorale(), band()], next(places), look=look),
        plot_square([[chorale(), band()], [band(), Song.new()]], next(places), look=look),
        plot_latents(encoding(), next(places), look=look),
        plot_matrix(moved, ["a_b", "b"], ["c", "d"], next(places), look=look),
    )
    assert all(path.stat().st_size > 1000 for path in drawn)
    if suffix == ".svg":
        assert all("<svg" in path.read_text("utf-8") for path in drawn)


def test_a_strip_has_one_scale_and_says_what_it_leaves_out() -> None:
    figure = strip_figure([chorale(bars=4), chorale(bars=40)], "A way", "a model", names="AB")
    assert {"A", "B", "A way", "a model  ·  the first 16 of up to 41 bars"} <= said(figure)
    one, other = figure.axes
    assert one.get_xlim() == other.get_xlim() and one.get_ylim() == other.get_ylim()
    empty = strip_figure([Song.new(), Song.new(end_ticks=1920)])
    assert {"1", "2"} <= said(empty)


def test_a_square_has_its_corners_named_and_every_cell_filled() -> None:
    rows = [[chorale(bars=2), chorale(bars=4)], [band(), chorale(bars=3)]]
    figure = square_figure(rows)
    assert {"A", "B", "C", "D"} <= said(figure)
    ends = [axes.get_xlim()[1] for axes in figure.axes]
    assert len(set(ends)) > 1


def test_a_spectrogram_shows_the_pitch_that_sounds(tmp_path: Path) -> None:
    rate = 22_050
    time = np.arange(2 * rate) / rate
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    levels = levels_db(tone, rate)
    loudest = levels[:, levels.shape[1] // 2].argmax()
    assert loudest == 2 * (69 - 24)  # half a semitone a line, from C1
    assert levels.max() == 0 and levels.min() >= -48
    silent = np.zeros((rate, 2), np.float32)
    assert plot_sound(silent, rate, tmp_path / "a.png", song=chorale()).stat().st_size > 1000
    with pytest.raises(DataError, match="no sound"):
        plot_sound(silent[:0], rate, tmp_path / "b.png")


def test_what_was_asked_for_is_framed_in_a_matrix(tmp_path: Path) -> None:
    figure = matrix_figure(np.eye(2), ["a", "b"], ["c_d", "e"], marked=np.eye(2, dtype=bool))
    (axes,) = figure.axes
    assert len(axes.patches) == 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["c d", "e"]
    assert [text.get_text() for text in axes.texts] == ["+1.00", "+.00", "+.00", "+1.00"]


# -- fonts ----------------------------------------------------------------------------------------


def test_letters_that_no_font_has_are_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(style, "_told", [])
    monkeypatch.setattr(style, "FONTS", ("DejaVu Sans", "A font that no one has"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_song(chorale(), tmp_path / "plain.png", "Ein Lied")
        assert caplog.messages == []
        for nth in range(2):
            plot_song(chorale(), tmp_path / f"{nth}.png", "\u6625\u306e\u6b4c")
    assert len(caplog.messages) == 1 and "no font has all letters" in caplog.messages[0]


def test_fonts_for_other_scripts_are_taken_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    assert style._fonts() == ["DejaVu Sans"]
    here = [SimpleNamespace(name="MS Gothic"), SimpleNamespace(name="Noto Sans CJK SC")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", here)
    assert style._fonts() == ["DejaVu Sans", "Noto Sans CJK SC", "MS Gothic"]
