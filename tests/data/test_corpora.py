"""Corpora: the bars of exported MIDI are those of the scores; names, cache, overwriting."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from musicvae.cli import main
from musicvae.data import corpora
from musicvae.data.corpora import cache, parse, sources
from musicvae.errors import ConfigError, WriteError
from musicvae.io import midi, read
from musicvae.representation.bars import Bars
from musicvae.song import Song

SCRIPT = Path(__file__).parents[1] / "acceptance" / "corpus_roundtrip.py"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("MUSICVAE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def by_stem() -> dict[str, sources.Source]:
    return {s.stem: s for name in corpora.names() for s in sources.find_sources(name)}


@pytest.fixture(scope="module")
def roundtrip() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_roundtrip", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["corpus_roundtrip"] = module
    spec.loader.exec_module(module)
    return module


def abc_piece(body: str, header: str = "M:4/4\nL:1/4\n") -> parse.Piece:
    abc = f"X:7\nT:A Test\n{header}K:C\n{body}\n"
    source = sources.Source(
        stem="test", title="A Test", place="a.abc:7", path="a.abc", program=73, abc=abc
    )
    piece = parse.parse_piece(source)
    assert isinstance(piece, parse.Piece), piece
    return piece


def abc_song(body: str, header: str = "M:4/4\nL:1/4\n") -> Song:
    return midi.from_bytes(abc_piece(body, header).midi)


def quarters(song: Song) -> list[Fraction]:
    grid = Bars.from_song(song).grid
    return [Fraction(int(length), song.ticks_per_quarter) for length in grid.length_ticks]


def meters(song: Song) -> list[tuple[float, str]]:
    m = song.meter
    rows = zip(m.ticks.tolist(), m.numerator.tolist(), m.denominator.tolist(), strict=True)
    return [(tick / song.ticks_per_quarter, f"{n}/{d}") for tick, n, d in rows]


# -- bar lines ------------------------------------------------------------------------------------


def test_short_first_bar_is_a_right_aligned_pickup():
    song = abc_song("G|CDEF|GABc|")
    bars = Bars.from_song(song)
    assert meters(song) == [(0, "1/4"), (1, "4/4")]
    assert bars.grid.lead_steps.tolist() == [72, 0, 0]
    assert bars.grid.steps.tolist() == [96, 96, 96]
    assert bars.notes.step[0] == 72
    assert abc_piece("G|CDEF|GABc|").pickup


def test_bars_split_at_a_repeat_are_meter_changes():
    song = abc_song("G|CDEF|GAB:|\nc|cBAG|FED|]")
    assert quarters(song) == [1, 4, 3, 1, 4, 3]
    expected = [(0, "1/4"), (1, "4/4"), (5, "3/4"), (8, "1/4"), (9, "4/4"), (13, "3/4")]
    assert meters(song) == expected
    assert song.end_ticks == 16 * song.ticks_per_quarter


def test_irregular_bars_keep_the_written_denominator_where_possible():
    song = abc_song("CDE FGA|CDE FG|CDE FGA|", "M:6/8\nL:1/8\n")
    assert [name for _, name in meters(song)] == ["6/8", "5/8", "6/8"]
    song = abc_song("CDEF|CDE|CDEF|", "M:C|\nL:1/4\n")
    assert [name for _, name in meters(song)] == ["2/2", "3/4", "2/2"]


def test_bar_of_no_meter_is_cut_by_the_next_meter():
    song = abc_song("CDEF|CD (3E/F/G/ (3:2:1A/|CDEF|cdef|")
    assert quarters(song) == [4, Fraction(10, 3), 4, 4]


def test_meter_change_inside_a_tune():
    song = abc_song("CDEF|GABc|\nM:3/4\nCDE|FGA|]")
    assert meters(song) == [(0, "4/4"), (8, "3/4")]


def test_song_ends_with_its_last_measure_including_rests():
    assert abc_song("CDEF|Gzzz|").end_ticks == 8 * 480


# -- notes ----------------------------------------------------------------------------------------


def test_ties_over_a_bar_line_are_joined():
    part = abc_song("CDEF-|F2GA-|A4|").parts[0]
    assert part.pitch.tolist() == [60, 62, 64, 65, 67, 69]
    assert (part.duration_ticks / 480).tolist() == [1, 1, 1, 3, 1, 5]


def test_tie_between_different_pitches_is_a_slur():
    part = abc_song("C-DE-E|FGAB|").parts[0]
    assert part.pitch.tolist() == [60, 62, 64, 65, 67, 69, 71]
    assert (part.duration_ticks / 480).tolist() == [1, 1, 2, 1, 1, 1, 1]


def test_grace_notes_and_chord_symbols_are_dropped():
    piece = abc_piece('{d}C"Am"DEF|[CEG]2 z2|')
    assert (piece.grace, piece.notes) == (1, 7)
    assert midi.from_bytes(piece.midi).parts[0].pitch.tolist() == [60, 62, 64, 65, 60, 64, 67]


def test_rhythms_are_exact_in_ticks():
    assert abc_song("(3CDE F2 G|C4|", "M:4/4\nL:1/4\n").ticks_per_quarter == 480
    septuplet = abc_song("(7:4:7C/D/E/F/G/A/B/ c2|C4|")
    assert septuplet.ticks_per_quarter == 480 * 7
    assert septuplet.parts[0].onset_ticks.tolist()[:3] == [0, 960, 1920]


def test_tempo_of_the_score_or_default_of_the_meter():
    assert round(abc_song("CDEF|GABc|", "M:4/4\nL:1/4\nQ:1/2=56\n").tempo.qpm[0]) == 112
    jig = abc_song("CDE FGA|CDE FGA|", "M:6/8\nL:1/8\n")
    reel = abc_song("CDEF|GABc|", "M:C|\nL:1/4\n")
    assert round(jig.tempo.qpm[0]) == 180
    assert round(reel.tempo.qpm[0]) == 200


def test_key_signature_title_and_program_are_written():
    piece = abc_piece("CDEF|GABc|")
    song = midi.from_bytes(piece.midi)
    assert (song.key.fifths.tolist(), song.key.minor.tolist()) == ([0], [0])
    assert (song.parts[0].name, song.parts[0].program) == ("Melody", 73)
    assert b"A Test; a.abc:7" in piece.midi


def test_voices_of_a_tune_are_parts():
    abc = "X:1\nT:T\nM:4/4\nL:1/4\nV:1\nV:2\nK:C\n[V:1] CDEF|GABc|\n[V:2] C4|C4|\n"
    source = sources.Source(stem="t", title="T", place="t", path="t.abc", program=0, abc=abc)
    result = parse.parse_piece(source)
    assert isinstance(result, parse.Piece)
    song = midi.from_bytes(result.midi)
    assert [part.name for part in song.parts] == ["Melody", "Voice 2"]
    assert [part.onset_ticks[-1] for part in song.parts] == [7 * 480, 4 * 480]


# -- real pieces ----------------------------------------------------------------------------------


def test_chorale(by_stem: dict[str, sources.Source]):
    piece = parse.parse_piece(by_stem["bwv0269"])
    assert isinstance(piece, parse.Piece)
    song = midi.from_bytes(piece.midi)
    assert [part.name for part in song.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert song.parts[0].pitch[:3].tolist() == [67, 67, 74]
    assert meters(song)[:2] == [(0, "1/4"), (1, "3/4")]
    assert song.key.fifths.tolist() == [1]
    assert Bars.from_song(song).grid.lead_steps[:2].tolist() == [48, 0]


@pytest.mark.parametrize("stem", ["bwv0001-06", "bwv0846", "bwv0248-09-s"])
def test_scores_with_instruments_are_skipped(stem: str, by_stem: dict[str, sources.Source]):
    result = parse.parse_piece(by_stem[stem])
    assert isinstance(result, parse.Skipped)
    assert "not four voices alone" in result.reason


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("chorales", "bwv0299"),  # grace notes
        ("chorales", "bwv0227-11"),
        ("folk", "airds-0001-the-ranting-highlandman"),  # bars cut at repeats
        ("folk", "airds-0783"),  # tempo and meter change
    ],
)
def test_bars_match_the_score(
    name: str,
    stem: str,
    by_stem: dict[str, sources.Source],
    roundtrip: ModuleType,
    tmp_path: Path,
):
    source = next(s for found, s in by_stem.items() if found.startswith(stem))
    piece = parse.parse_piece(source)
    assert isinstance(piece, parse.Piece)
    path = tmp_path / "piece.mid"
    path.write_bytes(piece.midi)
    comparison = roundtrip.compare(name, (str(path), source.place))
    assert comparison.differs == []
    assert sum(comparison.bars.values()) == piece.bars


@pytest.mark.slow
def test_all_bars_match_the_scores():
    ran = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    decoder, figures, rest = json.JSONDecoder(), {}, ran.stdout.strip()
    while rest:
        entry, end = decoder.raw_decode(rest)
        figures[entry["corpus"]], rest = entry, rest[end:].strip()
    assert figures["chorales"]["pieces"] == corpora.get("chorales").n_songs
    assert figures["chorales"]["differs"] == 0
    assert figures["chorales"]["share_not_on_grid"] < 0.01


def test_rhythm_and_accidentals_of_a_folk_tune(by_stem: dict[str, sources.Source]):
    """Slurs, broken rhythm between them, and accidentals that hold to the end of the bar."""
    piece = parse.parse_piece(by_stem["oneills-0225-young-kate-of-kilcummer"])
    assert isinstance(piece, parse.Piece)
    song = midi.from_bytes(piece.midi)
    third = [p for t, p in zip(song.parts[0].onset_ticks, song.parts[0].pitch, strict=True)
             if 7 * 480 <= t < 10 * 480]  # fmt: skip
    assert third == [76, 73, 69, 71, 73]


# -- names ----------------------------------------------------------------------------------------


def test_file_names_are_stable_safe_and_unique():
    for name in corpora.names():
        stems = [source.stem for source in sources.find_sources(name)]
        assert stems == [source.stem for source in sources.find_sources(name)]
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", stem) for stem in stems)
        assert len(stems) == corpora.get(name).n_pieces
    folk = [source.stem for source in sources.find_sources("folk")]
    assert len(set(folk)) == len(folk)
    assert folk[0] == "airds-0001-the-ranting-highlandman"
    assert folk[-1] == "ryans-1059-ypsilanti-hornpipe"


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("bwv269.mxl", "bwv0269"),
        ("bwv1.6.mxl", "bwv0001-06"),
        ("bwv248.42-4.mxl", "bwv0248-42-4"),
        ("bwv145-a.mxl", "bwv0145-a"),
        ("bwv18.5-lz.mxl", "bwv0018-05-lz"),
    ],
)
def test_chorale_stem(file: str, stem: str):
    assert sources.chorale_stem(Path(file)) == stem


def test_slug():
    assert sources.slug("O'Neill's Fancy -- Reel") == "oneills-fancy-reel"
    assert sources.slug("Café & Öl") == "cafe-ol"
    assert sources.slug("") == ""


def test_split_tunes_keeps_the_header():
    book = "% words\nM:3/4\n\nX:1\nT:a\nK:C\nCDE|\n\nX: 2\nT:b\nK:C\nEDC|\n"
    assert [(n, t.splitlines()[0]) for n, t in sources.split_tunes(book)] == [
        (1, "M:3/4"),
        (2, "M:3/4"),
    ]


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(
        ConfigError, match=r"no corpus named 'choral' \(did you mean 'chorales'\?\)"
    ):
        corpora.get("choral")
    with pytest.raises(ConfigError, match="there are: chorales, folk"):
        corpora.export("zzz", "nowhere")
    assert not Path("nowhere").exists()


# -- export and cache -----------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, by_stem: dict[str, sources.Source]) -> None:
    """Corpora of three pieces, one of them skipped."""
    chosen = [by_stem[s] for s in ("bwv0001-06", "bwv0269", "airds-0002-quick-step-25th-regt")]
    monkeypatch.setattr(corpora, "find_sources", lambda name: chosen)


@pytest.mark.usefixtures("small")
def test_second_export_comes_from_the_cache(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    first = corpora.export("folk", tmp_path / "a", workers=1)
    assert not first.from_cache
    assert [path.name for path in first.paths_with_status("written")] == [
        "bwv0269.mid",
        "airds-0002-quick-step-25th-regt.mid",
    ]
    assert [skipped.place for skipped in first.skipped] == ["bach/bwv1.6.mxl"]
    monkeypatch.setattr(corpora, "parse_piece", lambda source: pytest.fail("parsed again"))
    seen: list[tuple[int, int]] = []
    again = corpora.export("folk", tmp_path / "a", progress=lambda *at: seen.append(at))
    other = corpora.export("folk", tmp_path / "b")
    assert again.from_cache
    assert len(again.paths_with_status("unchanged")) == 2
    assert len(seen) == 3
    assert again.skipped == first.skipped
    for path in first.paths_with_status("written"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert other.paths_with_status("written")
    assert dict(corpora.songs("folk"))["bwv0269"] == read(tmp_path / "a" / "bwv0269.mid")
    with zipfile.ZipFile(next(own_cache.glob("folk-*.zip"))) as archive:
        assert {Path(name).suffix for name in archive.namelist()} == {".mid", ".json"}


@pytest.mark.usefixtures("small")
def test_limited_export_is_not_cached(tmp_path: Path, own_cache: Path):
    report = corpora.export("folk", tmp_path / "a", limit=1)
    assert [file.path.name for file in report.files] == ["bwv0269.mid"]
    assert report.cache_path is None
    assert not list(own_cache.glob("*.zip"))


@pytest.mark.usefixtures("small")
def test_damaged_or_unwritable_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    corpora.export("folk", tmp_path / "a", workers=1)
    kept = cache.path("folk")
    kept.write_bytes(kept.read_bytes()[:-400])
    assert cache.load("folk") is None
    assert not corpora.export("folk", tmp_path / "a", workers=1).from_cache
    assert cache.load("folk") is not None
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("MUSICVAE_CACHE", str(blocked))
    report = corpora.export("folk", tmp_path / "b", workers=1)
    assert len(report.paths_with_status("written")) == 2
    assert report.cache_path is None


@pytest.mark.usefixtures("small")
def test_existing_files_are_kept_unless_forced(tmp_path: Path):
    mine = tmp_path / "bwv0269.mid"
    mine.write_bytes(b"my own arrangement")
    report = corpora.export("folk", tmp_path, workers=1)
    assert report.paths_with_status("kept") == [mine]
    assert mine.read_bytes() == b"my own arrangement"
    assert len(report.paths_with_status("written")) == 1
    forced = corpora.export("folk", tmp_path, force=True)
    assert forced.paths_with_status("written") == [mine]
    assert len(forced.paths_with_status("unchanged")) == 1
    mine.unlink()
    mine.symlink_to("nowhere")
    assert corpora.export("folk", tmp_path).paths_with_status("kept") == [mine]
    assert mine.is_symlink()
    assert corpora.export("folk", tmp_path, force=True).paths_with_status("written") == [mine]
    assert mine.is_file() and not mine.is_symlink()


def test_unwritable_folder_is_one_line(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(WriteError, match=r"file.*choose another folder$"):
        corpora.export("chorales", blocked)


def test_import_does_not_load_music21():
    code = (
        "import sys, musicvae.data.corpora, musicvae.cli.commands.corpus;"
        "print('music21' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


# -- command line ---------------------------------------------------------------------------------


def test_corpus_list_command():
    ran = CliRunner().invoke(main, ["corpus", "list", "--json"])
    entries = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["name"] for entry in entries] == list(corpora.names())
    assert all(entry["schema"] == 1 and entry["licence"] for entry in entries)
    table = CliRunner().invoke(main, ["corpus", "list"])
    assert table.exit_code == 0
    assert "chorales" in table.stdout


@pytest.mark.usefixtures("small")
def test_corpus_export_command(tmp_path: Path):
    arguments = ["corpus", "export", "folk", str(tmp_path), "--workers", "1"]
    ran = CliRunner().invoke(main, arguments)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "2 songs" in ran.stdout
    assert "skipped 1: not four voices alone" in ran.stdout
    (tmp_path / "bwv0269.mid").write_bytes(b"mine")
    ran = CliRunner().invoke(main, [*arguments, "--json"])
    assert ran.exit_code == 1
    assert ran.stderr.count("\n") == 1
    assert "1 file here differs from the corpus" in ran.stderr
    assert "--force" in ran.stderr
    entries = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["status"] for entry in entries] == ["kept", "unchanged", "skipped"]
    assert all(entry["schema"] == 1 for entry in entries)
    ran = CliRunner().invoke(main, [*arguments, "--force"])
    assert ran.exit_code == 0


def test_unknown_name_is_a_usage_error(tmp_path: Path):
    ran = CliRunner().invoke(main, ["corpus", "export", "choral", str(tmp_path / "new")])
    assert ran.exit_code == 2
    assert ran.stderr == (
        "musicvae: no corpus named 'choral' (did you mean 'chorales'?); there are: chorales, folk\n"
    )
    assert not (tmp_path / "new").exists()
