"""Tables of splits: a folder that says itself which songs are held out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from musicvae.data import Shards
from musicvae.data.prepare import prepare, prepare_cached
from musicvae.data.split import SPLITS, read_split_table, split_shards
from musicvae.errors import DataError
from musicvae.io import write
from support.songs import small_chorale


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Return a folder of 24 songs, four of them in a subfolder."""
    folder = tmp_path / "songs"
    for i in range(24):
        path = folder / ("more" if i >= 20 else "") / f"{i:02}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(small_chorale(seed=i), path)
    return folder


def assigned(folder: Path, tmp_path: Path) -> dict[str, str]:
    """Return the split of each song of a folder, prepared."""
    prepare(folder, tmp_path / "shards", workers=1)
    shards = Shards(tmp_path / "shards")
    return dict(zip(shards.paths(), split_shards(shards), strict=True))


def test_table_decides_and_other_songs_are_split_by_content(songs, tmp_path) -> None:
    before = assigned(songs, tmp_path)
    named = {"00.mid": "test", "01.mid": "valid", "02.mid": "train", "more/20.mid": "test"}
    (songs / "split.csv").write_text("file,split\n00.mid,test\n01.mid,valid\n02.mid,train\n")
    (songs / "more" / "split.csv").write_text("file,split\n20.mid,test\n")
    after = assigned(songs, tmp_path)
    assert list(after) == list(before)  # the tables are no songs
    assert {path: after[path] for path in named} == named
    others = [split for path, split in after.items() if path not in named]
    assert {split: others.count(split) for split in SPLITS} == {"train": 16, "valid": 2, "test": 2}
    (songs / "split.csv").unlink()
    (songs / "more" / "split.csv").unlink()
    assert assigned(songs, tmp_path) == before


def test_cached_folder_follows_its_table(songs) -> None:
    before = split_shards(Shards(prepare_cached(songs, workers=1)))
    rows = "".join(f"{i:02}.mid,test\n" for i in range(20))
    (songs / "split.csv").write_text("file,split\n" + rows)
    after = split_shards(Shards(prepare_cached(songs, workers=1)))
    assert before.count("test") == 2 and after[:20] == ["test"] * 20


def test_tunes_of_a_book_share_its_split(tmp_path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    tune = "X:{0}\nT:Tune {0}\nM:4/4\nL:1/4\nK:C\n{1}|]\n\n"
    bars = "CDEF|GABc|" * 4
    (folder / "book.abc").write_text("".join(tune.format(i, bars) for i in (1, 2)))
    (folder / "split.csv").write_text("file,split\nbook.abc,test\n")
    assert assigned(folder, tmp_path) == {
        "book.abc#1 Tune 1": "test",
        "book.abc#2 Tune 2": "test",
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name,part\n", "its first line is not file,split"),
        (b"", "its first line is not file,split"),
        (b"file,split\na.mid,held\n", "line 2 is invalid"),
        (b"file,split\na.mid\n", "line 2 is invalid"),
        (b"file,split\n\xff\xfe,test\n", "codec can't decode"),
        (b'file,split\n"' + b"a" * 200_000 + b'",test\n', "field larger than field limit"),
    ],
)
def test_invalid_table_is_refused_before_songs_are_read(songs, tmp_path, content, reason) -> None:
    (songs / "split.csv").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(reason)) as caught:
        prepare(songs, tmp_path / "shards", workers=1)
    assert "split.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_table_may_come_from_a_spreadsheet(tmp_path) -> None:
    (tmp_path / "split.csv").write_bytes(b'\xef\xbb\xbffile,split\r\n"a, b.mid",valid\r\n\r\n')
    assert read_split_table(tmp_path / "split.csv") == {"a, b.mid": "valid"}
