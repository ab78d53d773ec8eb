"""Reports: self-contained pages, escaped names, embedded audio, and playback in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicvae.errors import WriteError
from musicvae.io.audio.render import RenderOptions
from musicvae.plots.pianoroll import song_figure
from musicvae.report import (
    NO_AUDIO,
    AudioEmbedding,
    Page,
    interpolation_page,
    songs_page,
    training_page,
)
from musicvae.report.song_json import song_json
from musicvae.song import Song
from support.songs import small_band, small_chorale

NASTY = "<script>alert(1)</script>\"'&\u2028\udcff"
QUICK = AudioEmbedding(sound=RenderOptions(rate=16_000))


class Reader(HTMLParser):
    """Collects the tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "poster", "data"):
                self.addresses.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)


def songs_of(text: str) -> list[dict]:
    """Return the song data embedded in a page."""
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    return [json.loads(each) for each in found]


def test_page_refers_to_nothing_outside_itself() -> None:
    page = songs_page(
        "Songs", "facts", [small_chorale(bars=2), small_band()], ["a", "b"], embedding=QUICK
    )
    page.picture(lambda theme: song_figure(small_chorale(), theme=theme), "a roll")
    reader = Reader(page.html())
    assert reader.addresses
    assert all(address.startswith("data:") for address in reader.addresses)
    assert reader.handlers == []
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page.html())
    assert policy and "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert policy[1].count("sha256-") == 2


def test_names_are_escaped() -> None:
    song = Song.new([small_band().parts[0].without_notes(), small_chorale().parts[0]])
    part = small_chorale().parts[0]
    named = Song.new([type(part)(**{**vars(part), "name": NASTY[:-1]})])
    page = interpolation_page(
        NASTY, NASTY, [named, song], [NASTY, "</article>"], embedding=NO_AUDIO
    )
    page.table([(NASTY, 1, 2.5, None)], (NASTY, "n", "x", "y"))
    text = page.html()
    reader = Reader(text)
    # One for the data of each song, one for the player.
    assert reader.tags["script"] == 3
    assert "alert(1)</script>" not in text
    assert text.encode("utf-8")
    assert NASTY[:20] in songs_of(text)[0]["title"]


def test_song_json_has_the_notes_of_the_song() -> None:
    song = small_band()
    found = song_json(song, "Band")
    assert [len(part["notes"]) for part in found["parts"]] == [len(p) for p in song.parts]
    lead = found["parts"][0]["notes"]
    seconds = song.tempo.seconds(song.parts[0].onset_ticks, song.ticks_per_quarter)
    assert [n[0] for n in lead] == np.round(1000 * seconds).astype(int).tolist()
    assert [n[2] for n in lead] == song.parts[0].pitch.tolist()
    assert found["lanes"] == ["Kick", "Snare", "Hi-hat"]
    assert (
        found["noise_cutoff_hz"][0] == 0 < found["noise_cutoff_hz"][1] < found["noise_cutoff_hz"][2]
    )
    assert "note.lane" not in (files("musicvae.report") / "player.js").read_text("utf-8")
    drums = found["parts"][2]
    assert drums["drum"] and {n[4] for n in drums["notes"]} == {0, 1, 2}
    assert found["low"] < min(n[2] for n in lead) < found["high"]
    assert [number for _, number in found["bars"]] == [1, 2, 3, 4]


def test_song_json_of_pickups_drums_and_empty_songs() -> None:
    # The lowest lane of a kit without bass drum is another instrument.
    song = small_band()
    hats = replace(song.parts[2], pitch=np.full(len(song.parts[2]), 42))
    hats_alone = song_json(Song.new([hats]), "hats")
    assert hats_alone["lanes"] == ["Hi-hat"]
    assert hats_alone["noise_cutoff_hz"] == song_json(song, "all")["noise_cutoff_hz"][2:]
    assert song_json(small_chorale(), "a")["bars"][0][1] == 0
    found = song_json(Song.new([small_band().parts[2]]), "a")
    assert found["low"] > found["high"]
    empty = song_json(Song.new(), "nothing")
    assert empty["parts"] == [] and empty["seconds"] > 0


def test_page_contains_audio_of_the_song() -> None:
    page = songs_page("Songs", "", [small_chorale()], ["a"], embedding=QUICK)
    (kind, data) = re.findall(r'<audio[^>]* src="data:(audio/\w+);base64,([^"]+)"', page.html())[0]
    assert kind in ("audio/mpeg", "audio/ogg")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert samples.ndim == 1 and rate == 16_000
    assert abs(len(samples) / rate - small_chorale().duration_s) < 5
    assert 0.05 < np.abs(samples).max() <= 1.0


def test_embedded_audio_is_limited_and_reported() -> None:
    songs = [small_chorale(), Song.new(), small_band(), small_chorale()]
    embedding = AudioEmbedding(max_total_s=small_chorale().duration_s + 1, max_song_s=600)
    assert embedding.select(songs) == [True, False, False, False]
    assert AudioEmbedding(max_total_s=1000, max_song_s=small_band().duration_s).select(songs) == [
        small_chorale().duration_s <= small_band().duration_s, False, True,
        small_chorale().duration_s <= small_band().duration_s,
    ]  # fmt: skip
    page = songs_page("Songs", "", songs, list("abcd"), embedding=NO_AUDIO)
    assert "played by oscillators" in page.html()
    assert "<audio" not in page.html()


def test_page_without_usable_soundfont(tmp_path: Path) -> None:
    broken = AudioEmbedding(sound=RenderOptions(soundfont=tmp_path / "none.sf2"))
    text = songs_page("Songs", "", [small_chorale()], ["a"], embedding=broken).html()
    assert "Audio could not be rendered (none.sf2: " in text and str(tmp_path) not in text
    assert "<audio" not in text


def test_number_of_songs_is_limited_and_reported() -> None:
    page = songs_page("Many", "", [Song.new()] * 60, ["x"] * 60, embedding=NO_AUDIO)
    assert page.n_songs == 48
    assert "The first 48 of 60 songs." in page.html()


def test_page_is_saved_or_refused(tmp_path: Path) -> None:
    page = Page("Title")
    path = page.save(tmp_path / "a" / "b.html")
    assert path.read_text("utf-8") == page.html()
    with pytest.raises(WriteError, match=r"use a name that ends in .html"):
        page.save(tmp_path / "a.txt")


def test_training_page_without_metrics() -> None:
    text = training_page("Run", "facts", [], [("preset", "tiny")]).html()
    assert "tiny" in text and "<img" not in text
    rows = [{"minutes": "1", "valid_f1": "0.5", "valid_loss": "", "train_loss": "nan"}]
    text = training_page("Run", "facts", rows, []).html()
    assert "0.500" in text and text.count("<source") == 1


def test_player_makes_no_requests() -> None:
    import musicvae.report

    script = (Path(musicvae.report.__file__).parent / "player.js").read_text("utf-8")
    assert len(script.splitlines()) < 270
    for word in ("fetch", "XMLHttpRequest", "import(", "http", "eval", "innerHTML", "cookie"):
        assert word not in script


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab():  # type: ignore[no-untyped-def]
    """Yield a tab of a running browser."""
    from docs.tools.browser import chromium
    from docs.tools.browser import tab as open_tab

    if chromium() is None:
        pytest.skip("no Chromium on this system to open a report in")
    with open_tab() as page:
        yield page


SHOWN = "document.querySelector('article.song:not([hidden])')"
AT = f"Number({SHOWN}.querySelector('.playhead').style.transform.match(/[0-9.]+/)[0])"


def test_songs_play_in_a_browser(tab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = ["first", NASTY]
    songs_page(NASTY, "", [small_chorale(), small_band()], names, embedding=QUICK).save(
        tmp_path / "a.html"
    )
    tab.requests.clear()
    tab.show(tmp_path / "a.html", width=390, dark=True)
    tab.wait_for(f"{SHOWN}.querySelector('canvas').width > 300")
    tab.evaluate(f"{SHOWN}.querySelector('.play').click()")
    tab.wait_for(f"{SHOWN}.querySelector('audio').currentTime > 0.3")
    tab.wait_for(f"{AT} > 1")
    assert (
        tab.evaluate(f"{SHOWN}.querySelector('.play').getAttribute('aria-label')") == "Pause first"
    )
    tab.press(" ", "Space")
    tab.wait_for(f"{SHOWN}.querySelector('audio').paused")
    # A click in the middle of the roll seeks there.
    tab.evaluate(
        f"(() => {{ const c = {SHOWN}.querySelector('canvas'), b = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {clientX: b.left + b.width / 2, "
        "clientY: b.top + 9, bubbles: true})); })()"
    )
    tab.wait_for(f"{SHOWN}.querySelector('audio').currentTime > {small_chorale().duration_s / 3}")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.requests == [(tmp_path / "a.html").resolve().as_uri()]
    assert tab.errors == []


def test_interpolation_in_a_browser_has_slider_and_oscillators(tab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    songs = [small_chorale(), small_chorale(2), small_band()]
    page = interpolation_page("A to B", "", songs, ["A", "0.50", "B"], embedding=NO_AUDIO)
    page.save(tmp_path / "b.html")
    tab.requests.clear()
    tab.show(tmp_path / "b.html")
    tab.wait_for("document.querySelectorAll('article.song:not([hidden])').length === 1")
    tab.evaluate(f"{SHOWN}.querySelector('.play').click()")
    tab.wait_for(f"{AT} > 3")
    tab.evaluate(
        "(() => { const s = document.querySelector('.step-slider'); s.value = 2;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    tab.wait_for(f"{SHOWN}.querySelector('h3').textContent === 'B'")
    # Playback continues, and the button of that step is pressed.
    assert tab.evaluate(f"{SHOWN}.querySelector('.play').getAttribute('aria-label')") == "Pause B"
    pressed = "[...document.querySelectorAll('.steps button')].map(b => b.ariaPressed).join()"
    assert tab.evaluate(pressed) == "false,false,true"
    assert len(tab.requests) == 1
    assert tab.errors == []


def test_counts_are_whole_numbers_in_the_table_of_metrics() -> None:
    row = {"step": "10", "minutes": "1", "valid_f1": "0.5", "valid_loss": "3.25"}
    page = training_page("run", "", [row | {"valid_active_units": "384"}], [])
    html = "".join(page.body)
    assert ">384<" in html and "384.000" not in html and ">0.500<" in html
