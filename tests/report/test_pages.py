"""Reports: one file each, harmless whatever songs are called, and they play."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicvae.errors import WriteError
from musicvae.io.audio.render import SoundOptions
from musicvae.plots.pianoroll import song_figure
from musicvae.report import NO_SOUND, Embedding, Page, songs_page, training_page, way_page
from musicvae.report.song_json import told
from musicvae.song import Song
from support.small_songs import band, chorale

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "tools"))
NASTY = "<script>alert(1)</script>\"'&\u2028\udcff"
QUICK = Embedding(sound=SoundOptions(rate=16_000))


class Reader(HTMLParser):
    """Collects the tags of a page, and what they point at."""

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
    """What the player of a page is given."""
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.S)
    return [json.loads(each) for each in found]


def test_a_page_points_at_nothing_outside_itself() -> None:
    page = songs_page("Songs", "facts", [chorale(bars=2), band()], ["a", "b"], embedding=QUICK)
    page.picture(lambda look: song_figure(chorale(), look=look), "a roll")
    reader = Reader(page.html())
    assert reader.addresses
    assert all(address.startswith("data:") for address in reader.addresses)
    assert reader.handlers == []
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page.html())
    assert policy and "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    assert policy[1].count("sha256-") == 2


def test_names_are_words_whatever_they_say() -> None:
    song = Song.new([band().parts[0].without_notes(), chorale().parts[0]])
    part = chorale().parts[0]
    named = Song.new([type(part)(**{**vars(part), "name": NASTY[:-1]})])
    page = way_page(NASTY, NASTY, [named, song], [NASTY, "</article>"], embedding=NO_SOUND)
    page.table([(NASTY, 1, 2.5, None)], (NASTY, "n", "x", "y"))
    text = page.html()
    reader = Reader(text)
    # One for each song's numbers, one for the player.
    assert reader.tags["script"] == 3
    assert "alert(1)</script>" not in text
    assert text.encode("utf-8")
    assert NASTY[:20] in songs_of(text)[0]["title"]


def test_the_notes_of_a_page_are_those_of_the_song() -> None:
    song = band()
    found = told(song, "Band")
    assert [len(part["notes"]) for part in found["parts"]] == [len(p) for p in song.parts]
    lead = found["parts"][0]["notes"]
    seconds = song.tempo.seconds(song.parts[0].onset_ticks, song.ticks_per_quarter)
    assert [n[0] for n in lead] == np.round(1000 * seconds).astype(int).tolist()
    assert [n[2] for n in lead] == song.parts[0].pitch.tolist()
    assert found["lanes"] == ["Kick", "Snare", "Hi-hat"]
    assert found["hisses"][0] == 0 < found["hisses"][1] < found["hisses"][2]
    assert "note.lane" not in (files("musicvae.report") / "player.js").read_text("utf-8")
    drums = found["parts"][2]
    assert drums["drum"] and {n[4] for n in drums["notes"]} == {0, 1, 2}
    assert found["low"] < min(n[2] for n in lead) < found["high"]
    assert [number for _, number in found["bars"]] == [1, 2, 3, 4]


def test_a_pickup_has_no_number_and_drums_alone_no_pitches() -> None:
    # A kit without a bass drum has none in its lowest lane.
    song = band()
    hats = replace(song.parts[2], pitch=np.full(len(song.parts[2]), 42))
    hats_alone = told(Song.new([hats]), "hats")
    assert hats_alone["lanes"] == ["Hi-hat"]
    assert hats_alone["hisses"] == told(song, "all")["hisses"][2:]
    assert told(chorale(), "a")["bars"][0][1] == 0
    found = told(Song.new([band().parts[2]]), "a")
    assert found["low"] > found["high"]
    empty = told(Song.new(), "nothing")
    assert empty["parts"] == [] and empty["seconds"] > 0


def test_sound_is_in_the_page_as_long_as_the_song() -> None:
    page = songs_page("Songs", "", [chorale()], ["a"], embedding=QUICK)
    (kind, data) = re.findall(r'<audio[^>]* src="data:(audio/\w+);base64,([^"]+)"', page.html())[0]
    assert kind in ("audio/mpeg", "audio/ogg")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert samples.ndim == 1 and rate == 16_000
    assert abs(len(samples) / rate - chorale().duration_s) < 5
    assert 0.05 < np.abs(samples).max() <= 1.0


def test_sound_is_limited_and_it_is_said() -> None:
    songs = [chorale(), Song.new(), band(), chorale()]
    room = Embedding(most_s=chorale().duration_s + 1, longest_s=600)
    assert room.chosen(songs) == [True, False, False, False]
    assert Embedding(most_s=1000, longest_s=band().duration_s).chosen(songs) == [
        chorale().duration_s <= band().duration_s, False, True,
        chorale().duration_s <= band().duration_s,
    ]  # fmt: skip
    page = songs_page("Songs", "", songs, list("abcd"), embedding=NO_SOUND)
    assert "played by oscillators" in page.html()
    assert "<audio" not in page.html()


def test_a_soundfont_that_is_none_leaves_the_page_whole(tmp_path: Path) -> None:
    broken = Embedding(sound=SoundOptions(soundfont=tmp_path / "none.sf2"))
    text = songs_page("Songs", "", [chorale()], ["a"], embedding=broken).html()
    assert "No sound could be made (none.sf2: " in text and str(tmp_path) not in text
    assert "<audio" not in text


def test_of_many_songs_the_first_are_shown_and_it_is_said() -> None:
    page = songs_page("Many", "", [Song.new()] * 60, ["x"] * 60, embedding=NO_SOUND)
    assert page.n_songs == 48
    assert "The first 48 of 60 songs." in page.html()


def test_a_page_is_written_whole_or_refused(tmp_path: Path) -> None:
    page = Page("Title")
    path = page.save(tmp_path / "a" / "b.html")
    assert path.read_text("utf-8") == page.html()
    with pytest.raises(WriteError, match=r"name it so that it ends in .html"):
        page.save(tmp_path / "a.txt")


def test_a_training_without_figures_is_still_a_page() -> None:
    text = training_page("Run", "facts", [], [("preset", "tiny")]).html()
    assert "tiny" in text and "<img" not in text
    rows = [{"minutes": "1", "valid_f1": "0.5", "valid_loss": "", "train_loss": "nan"}]
    text = training_page("Run", "facts", rows, []).html()
    assert "0.500" in text and text.count("<source") == 1


def test_the_player_is_short_and_asks_for_nothing() -> None:
    import musicvae.report

    script = (Path(musicvae.report.__file__).parent / "player.js").read_text("utf-8")
    assert len(script.splitlines()) < 250
    for word in ("fetch", "XMLHttpRequest", "import(", "http", "eval", "innerHTML", "cookie"):
        assert word not in script


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one():  # type: ignore[no-untyped-def]
    """A page in a browser that runs."""
    from browser import chromium, tab

    if chromium() is None:
        pytest.skip("no Chromium on this system to open a report in")
    with tab() as page:
        yield page


SHOWN = "document.querySelector('article.song:not([hidden])')"
AT = f"Number({SHOWN}.querySelector('.head').style.transform.match(/[0-9.]+/)[0])"


def test_in_a_browser_songs_play_and_the_line_follows(one, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = ["first", NASTY]
    songs_page(NASTY, "", [chorale(), band()], names, embedding=QUICK).save(tmp_path / "a.html")
    one.requests.clear()
    one.show(tmp_path / "a.html", width=390, dark=True)
    one.wait_for(f"{SHOWN}.querySelector('canvas').width > 300")
    one.ask(f"{SHOWN}.querySelector('.play').click()")
    one.wait_for(f"{SHOWN}.querySelector('audio').currentTime > 0.3")
    one.wait_for(f"{AT} > 1")
    assert one.ask(f"{SHOWN}.querySelector('.play').getAttribute('aria-label')") == "Pause first"
    one.press(" ", "Space")
    one.wait_for(f"{SHOWN}.querySelector('audio').paused")
    # A click in the middle of the roll goes there.
    one.ask(
        f"(() => {{ const c = {SHOWN}.querySelector('canvas'), b = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {clientX: b.left + b.width / 2, "
        "clientY: b.top + 9, bubbles: true})); })()"
    )
    one.wait_for(f"{SHOWN}.querySelector('audio').currentTime > {chorale().duration_s / 3}")
    assert one.ask("document.documentElement.scrollWidth <= innerWidth")
    assert one.requests == [(tmp_path / "a.html").resolve().as_uri()]
    assert one.troubles == []


def test_in_a_browser_the_way_has_a_slider_and_oscillators(one, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    songs = [chorale(), chorale(2), band()]
    page = way_page("A to B", "", songs, ["A", "0.50", "B"], embedding=NO_SOUND)
    page.save(tmp_path / "b.html")
    one.requests.clear()
    one.show(tmp_path / "b.html")
    one.wait_for("document.querySelectorAll('article.song:not([hidden])').length === 1")
    one.ask(f"{SHOWN}.querySelector('.play').click()")
    one.wait_for(f"{AT} > 3")
    one.ask(
        "(() => { const s = document.querySelector('.place'); s.value = 2;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    one.wait_for(f"{SHOWN}.querySelector('h3').textContent === 'B'")
    # It goes on playing there, and the button of that step is the pressed one.
    assert one.ask(f"{SHOWN}.querySelector('.play').getAttribute('aria-label')") == "Pause B"
    pressed = "[...document.querySelectorAll('.steps button')].map(b => b.ariaPressed).join()"
    assert one.ask(pressed) == "false,false,true"
    assert len(one.requests) == 1
    assert one.troubles == []
