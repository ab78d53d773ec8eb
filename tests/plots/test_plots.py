"""Pictures: layout, colors, labels, determinism and formats."""

from __future__ import annotations

import inspect
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

from musicvae import plots
from musicvae.errors import ConfigError, DataError, WriteError
from musicvae.plots import (
    DARK,
    LIGHT,
    Theme,
    get_theme,
    plot_anomalies,
    plot_comparison,
    plot_grid,
    plot_heatmap,
    plot_latents,
    plot_note_edits,
    plot_song,
    plot_song_map,
    plot_spectrogram,
    plot_training_curves,
    style,
)
from musicvae.plots.comparison import comparison_figure, grid_figure
from musicvae.plots.heatmap import heatmap_figure
from musicvae.plots.layout import beat_ticks, layout_song, tempo_marks
from musicvae.plots.pianoroll import song_figure
from musicvae.plots.spectrogram import levels_db
from musicvae.plots.themes import blend_colors
from musicvae.song import MeterMap, Song, TempoMap
from support.encodings import make_encoding
from support.songs import part_on_grid, small_band, small_chorale
from support.strategies import songs


def texts(song: Song, **options: int) -> list[str]:
    figure = song_figure(song, "A title", **options)
    found = [text.get_text() for text in figure.texts]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
        found += [label.get_text() for label in axes.get_yticklabels()]
    return found


@pytest.mark.parametrize("song", [small_chorale(), small_band()], ids=["chorale", "band"])
def test_song_figure_labels_parts_meter_tempo_and_bars(song: Song) -> None:
    found = texts(song)
    assert "A title" in found
    assert {part.name for part in song.parts} <= set(found)
    assert "4/4" in found
    assert f"♩ = {round(song.tempo.qpm[0])}" in found
    assert {"1", "2", "3", "4"} <= set(found)
    assert {"C3", "C4", "C5"} <= set(found)


def test_drum_lanes_are_labeled() -> None:
    assert {"Kick", "Snare", "Hi-hat"} <= set(texts(small_band()))
    assert "Kick" not in texts(small_chorale())
    kit = Song.new([small_band().parts[2]])
    assert not {"C3", "C4"} & set(texts(kit))


def test_notes_are_drawn_once_per_row_with_onset_edges() -> None:
    # One note over two rows and two repeated notes.
    notes = [(0, 96 * 9, 60, 64), (0, 24, 64, 64), (24, 24, 64, 64)]
    figure = song_figure(Song.new([part_on_grid(notes, 20)]))
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
def test_long_songs_wrap_into_rows(n_bars: int, rows: int) -> None:
    layout = layout_song(Song.new([part_on_grid([(0, 24, 60, 64)], 20)], end_ticks=1920 * n_bars))
    assert len(layout.rows) == rows
    assert layout.rows[0][0] == 0
    assert layout.rows[-1][1] == n_bars
    assert all(one[1] == other[0] for one, other in zip(layout.rows, layout.rows[1:], strict=False))


def test_pickup_is_not_counted_in_rows() -> None:
    layout = layout_song(small_chorale(bars=20))
    assert layout.rows == [(0, 9), (9, 17), (17, 21)]
    assert layout.has_pickup
    assert "0" not in texts(small_chorale(bars=20))


def test_overlapping_parts_are_nested() -> None:
    line = part_on_grid([(0, 48, 60, 64), (48, 24, 60, 64)], 20)
    layout = layout_song(Song.new([line, replace(line, name="other")]))
    assert sorted(layout.pitched.nesting_level.tolist()) == [0, 0, 1, 1]
    alone = layout_song(Song.new([line]))
    assert alone.pitched.nesting_level.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        ((4, 4), [480, 960, 1440]),
        ((6, 8), [720]),
        ((5, 8), [240, 480, 720, 960]),
        ((3, 8), [240, 480]),
    ],
)
def test_beat_ticks(meter: tuple[int, int], expected: list[float]) -> None:
    song = Song.new([part_on_grid([(0, 24, 60, 64)], 20)], meter=meter)
    assert beat_ticks(layout_song(song).grid, 0).tolist() == expected


def test_tempo_marks_where_tempo_changes() -> None:
    tempo = TempoMap(
        ticks=np.array([0, 480, 960]), us_per_quarter=np.array([500_000, 501_000, 600_000])
    )
    assert tempo_marks(replace(small_band(), tempo=tempo)) == [(0, 120), (960, 100)]


def test_meter_changes_are_shown_in_narrow_bars() -> None:
    meter = MeterMap(
        ticks=np.array([0, 1920, 1980, 3900]),
        numerator=np.array([4, 1, 3, 7]),
        denominator=np.array([4, 32, 4, 8]),
    )
    found = texts(replace(small_chorale(), meter=meter))
    assert {"4/4", "1/32", "3/4", "7/8"} <= set(found)


@pytest.mark.parametrize("n_bars", [8, 24])
def test_tempo_hides_no_bar_number(n_bars: int) -> None:
    song = small_chorale(bars=n_bars)
    figure = song_figure(song, bars_per_row=n_bars)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    numbers = [int(text) for text in texts if text.isdigit()]
    assert numbers[0] <= 2 and len(set(np.diff(numbers).tolist())) == 1
    assert any(text.startswith("♩") for text in texts) and "4/4" in texts


def test_parts_are_named_in_pictures_of_several_songs() -> None:
    song = small_band()
    names = {name for name, _ in layout_song(song).legend}
    for figure in (comparison_figure([song, song]), grid_figure([[song, song], [song, song]])):
        (legend,) = figure.legends
        assert {text.get_text() for text in legend.get_texts()} == names


def test_part_colors_differ_and_louder_is_darker() -> None:
    many = [LIGHT.part_color(i) for i in range(12)]
    assert len(set(many)) == 12
    assert many[:6] == list(LIGHT.parts)
    shades = blend_colors("#0072B2", np.array([0.3, 0.6, 1.0])).sum(-1)
    assert (np.diff(shades) < 0).all()


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_pictures_are_deterministic(tmp_path: Path, suffix: str) -> None:
    one = plot_song(small_band(), tmp_path / f"one{suffix}", "Band")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "svg.hashsalt": "x"}):
        other = plot_song(small_band(), tmp_path / f"other{suffix}", "Band")
    assert one.read_bytes() == other.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [one.name, other.name]


def test_png_contains_part_colors(tmp_path: Path) -> None:
    picture = imread(plot_song(small_chorale(), tmp_path / "a.PNG"))
    assert picture.shape[1] == 1380
    share = [
        (np.abs(picture[..., :3] - blend_colors(c, 0.8)).max(-1) < 0.15).mean()
        for c in LIGHT.parts[:4]
    ]
    assert min(share) > 1e-4


@settings(max_examples=12)
@given(songs())
def test_any_song_can_be_drawn(song: Song) -> None:
    song_figure(song).canvas.draw()


@pytest.mark.parametrize("name", ["$x_1$ \\frac", "合唱団", "line\nbreak\ttab", "x" * 200, "<&>"])
def test_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    song = Song.new([part_on_grid([(0, 24, 60, 64)], 20, name=name)])
    for suffix in (".png", ".svg"):
        assert plot_song(song, tmp_path / f"a{suffix}", name).stat().st_size > 1000


def test_empty_songs_can_be_drawn(tmp_path: Path) -> None:
    assert plot_song(Song.new(), tmp_path / "none.png").is_file()
    assert plot_song(Song.new(end_ticks=1920), tmp_path / "silent.png").is_file()


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"unknown picture format .gif; use .png, .svg, .pdf"):
        plot_song(small_band(), tmp_path / "a.gif")


def test_pyplot_is_not_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from musicvae import Song; from musicvae.plots import plot_song;"
        f"plot_song(Song.new(end_ticks=960), {str(tmp_path / 'a.png')!r});"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- training curves ------------------------------------------------------------------------------

ROWS = [
    {"step": 100 * i, "minutes": i / 2, "train_loss": 90 / i, "valid_loss": 100 / i,
     "valid_f1": 1 - 1 / i, "valid_f1_sampled": 0.9 - 0.8 / i, "valid_kl_bits": 20 * i}
    for i in range(1, 6)
]  # fmt: skip


def test_training_curves_from_numbers_or_text(tmp_path: Path) -> None:
    one = plot_training_curves(ROWS, tmp_path / "one.png", "run $1$")
    text = [{name: str(value) for name, value in row.items()} for row in ROWS]
    other = plot_training_curves(text, tmp_path / "other.png", "run $1$")
    assert one.read_bytes() == other.read_bytes()


def test_training_curves_skip_missing_columns_and_values(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"minutes": 1, "valid_f1": float("nan"), "valid_loss": ""},
        {"minutes": 2, "valid_f1": 0.5},
    ]
    assert plot_training_curves(rows, tmp_path / "a.svg").is_file()
    with pytest.raises(DataError, match="no metrics"):
        plot_training_curves([], tmp_path / "b.svg")


# -- themes ---------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as perceived.
_VISION = {
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


def lab(color: str, vision: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of a color as perceived with this color vision."""
    rgb = blend_colors(color, 1.0)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    xyz = to_xyz @ np.clip(vision @ linear, 0, 1) / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("vision", _VISION, ids=str)
def test_part_colors_differ_with_color_blindness(theme: Theme, vision: str) -> None:
    found = [lab(color, _VISION[vision]) for color in theme.parts]
    background = lab(theme.background, _VISION[vision])
    distances = [np.linalg.norm(a - b) for i, a in enumerate(found) for b in found[:i]]
    assert min(distances) > 14  # about 2 is just noticeable
    assert min(np.linalg.norm(each - background) for each in found) > 30


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_text_contrast(theme: Theme) -> None:
    """WCAG 2: a contrast of 4.5 for text."""

    def luminance(color: str) -> float:
        rgb = blend_colors(color, 1.0)
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for text in (theme.foreground, theme.gray):
        low, high = sorted([luminance(text), luminance(theme.background)])
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_dark_and_transparent_backgrounds(tmp_path: Path) -> None:
    dark = imread(plot_song(small_band(), tmp_path / "dark.png", "Band", theme=DARK))
    assert np.median(dark[..., :3]) < 0.2
    none = imread(
        plot_song(small_band(), tmp_path / "n.png", theme=get_theme("dark", transparent=True))
    )
    assert none[0, 0, 3] == 0 and none[..., 3].max() == 1
    with pytest.raises(ConfigError, match="light or dark"):
        get_theme("grey")


# -- other pictures -------------------------------------------------------------------------------


def figure_texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.texts}


@pytest.mark.parametrize(("suffix", "theme"), [(".png", DARK), (".svg", LIGHT)], ids=["png", "svg"])
def test_every_picture_in_both_themes_and_formats(
    tmp_path: Path, suffix: str, theme: Theme
) -> None:
    places = iter([tmp_path / f"{nth}{suffix}" for nth in range(8)])
    numbers, bars = np.arange(3), np.array([0.1, 2.5, np.nan])
    parts = np.array([[0.1, 3.0], [np.nan, 0.2], [0.0, 0.0]])
    moved = np.array([[1.0, np.nan], [-0.5, 0]])
    drawn = (
        plot_note_edits(small_chorale(), small_chorale(seed=1), next(places), "a", theme=theme),
        plot_training_curves(ROWS, next(places), theme=theme),
        plot_anomalies(numbers, bars, parts, ["$a$", "b"], next(places), theme=theme),
        plot_song_map(
            np.eye(3, 2), ["$a", "b", "b"], next(places), title="", color_name="", theme=theme
        ),
        plot_comparison([small_chorale(), small_band()], next(places), theme=theme),
        plot_grid(
            [[small_chorale(), small_band()], [small_band(), Song.new()]], next(places), theme=theme
        ),
        plot_latents(make_encoding(), next(places), theme=theme),
        plot_heatmap(moved, ["a_b", "b"], ["c", "d"], next(places), theme=theme),
    )
    assert all(path.stat().st_size > 1000 for path in drawn)
    if suffix == ".svg":
        assert all("<svg" in path.read_text("utf-8") for path in drawn)


def test_comparison_has_one_scale_and_reports_omitted_bars() -> None:
    figure = comparison_figure(
        [small_chorale(bars=4), small_chorale(bars=40)], "A title", "a model", names="AB"
    )
    assert {"A", "B", "A title", "a model  ·  the first 16 of up to 41 bars"} <= figure_texts(
        figure
    )
    one, other = figure.axes
    assert one.get_xlim() == other.get_xlim() and one.get_ylim() == other.get_ylim()
    empty = comparison_figure([Song.new(), Song.new(end_ticks=1920)])
    assert {"1", "2"} <= figure_texts(empty)


def test_grid_labels_corners_and_fills_cells() -> None:
    rows = [[small_chorale(bars=2), small_chorale(bars=4)], [small_band(), small_chorale(bars=3)]]
    figure = grid_figure(rows)
    assert {"A", "B", "C", "D"} <= figure_texts(figure)
    ends = [axes.get_xlim()[1] for axes in figure.axes]
    assert len(set(ends)) > 1


def test_spectrogram_peaks_at_the_sounding_pitch(tmp_path: Path) -> None:
    rate = 22_050
    time = np.arange(2 * rate) / rate
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    levels = levels_db(tone, rate)
    loudest = levels[:, levels.shape[1] // 2].argmax()
    assert loudest == 2 * (69 - 24)  # half a semitone a line, from C1
    assert levels.max() == 0 and levels.min() >= -48
    silent = np.zeros((rate, 2), np.float32)
    assert (
        plot_spectrogram(silent, rate, tmp_path / "a.png", song=small_chorale()).stat().st_size
        > 1000
    )
    with pytest.raises(DataError, match="no sound"):
        plot_spectrogram(silent[:0], rate, tmp_path / "b.png")


def test_heatmap_frames_marked_cells(tmp_path: Path) -> None:
    figure = heatmap_figure(np.eye(2), ["a", "b"], ["c_d", "e"], marked=np.eye(2, dtype=bool))
    (axes,) = figure.axes
    assert len(axes.patches) == 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["c d", "e"]
    assert [text.get_text() for text in axes.texts] == ["+1.00", "+.00", "+.00", "+1.00"]


# -- fonts ----------------------------------------------------------------------------------------


def test_missing_glyphs_are_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(style, "_reported_glyphs", [])
    monkeypatch.setattr(style, "FONTS", ("DejaVu Sans", "A font that no one has"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_song(small_chorale(), tmp_path / "plain.png", "Ein Lied")
        assert caplog.messages == []
        for nth in range(2):
            plot_song(small_chorale(), tmp_path / f"{nth}.png", "\u6625\u306e\u6b4c")
    assert (
        len(caplog.messages) == 1 and "no installed font has every character" in caplog.messages[0]
    )


def test_installed_fallback_fonts_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    assert style._available_fonts() == ["DejaVu Sans"]
    here = [SimpleNamespace(name="MS Gothic"), SimpleNamespace(name="Noto Sans CJK SC")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", here)
    assert style._available_fonts() == ["DejaVu Sans", "Noto Sans CJK SC", "MS Gothic"]


# -- names ----------------------------------------------------------------------------------------


def test_saving_functions_take_the_path_after_the_data() -> None:
    names = list(inspect.signature(plots.plot_heatmap).parameters)
    assert names[:5] == ["values", "rows", "columns", "path", "title"]
    assert plots.plot_heatmap.__name__ == "plot_heatmap"
    assert "heatmap_figure" in (plots.plot_heatmap.__doc__ or "")


@pytest.mark.parametrize("old", sorted(plots._DEPRECATED))
def test_old_names_warn(old: str) -> None:
    with pytest.warns(
        DeprecationWarning, match=f"{old} is deprecated; use {plots._DEPRECATED[old]}"
    ):
        assert getattr(plots, old) is getattr(plots, plots._DEPRECATED[old])
    with pytest.raises(AttributeError, match="no attribute 'plot_nothing'"):
        plots.plot_nothing  # noqa: B018
