"""The house stands as DESIGN has it: who may import whom, how large a room is, what stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import musicvae

ROOT = Path(musicvae.__file__).parent
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    (
        *("files", "song", "maps", "options", "processes", "display"),
        *("config", "sections", "strict", "damage"),
    ),
    ("grid", "bars", "keys", "alignment", "roles", "merging", "drums"),
    ("formats", "rolls", "windows", "parts", "tables"),
    ("corpora", "corruptions", "attributes", "metrics", "dynamics", "fit", "statistics"),
    ("dataset", "models"),
    ("checkpoints", "latent", "frames", "belief", "directions"),
    ("training",),
    ("model",),
    ("evaluate", "plots"),
    ("report",),
    ("cli", "__main__"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Rooms of one floor that may know each other, and why.
NEIGHBOURS = {
    ("song", "display"): "a song shows itself",
    ("song", "maps"): "a song has a tempo, a meter and a key along its way",
    ("config", "strict"): "presets are loaded strictly",
    ("config", "damage"): "a preset names what its model learns to mend",
    ("damage", "strict"): "a name that is none is an error like any other of a preset",
    ("config", "sections"): "a preset has sections",
    ("sections", "strict"): "what a section may hold is checked",
    ("bars", "grid"): "bars are notes on a grid",
    ("alignment", "grid"): "which bars a meter map states, the grid knows",
    ("tables", "windows"): "a position says whether a note is carried in",
    ("__main__", "cli"): "`python -m musicvae` is the command line",
    ("models", "dataset"): "a model takes the Batch that the dataset makes",
}
# Deferred imports that reach up: conveniences of a lower floor.
UPWARD = {
    ("song", "formats"): "Song.read, Song.save, Song.to_pretty_midi",
    ("song", "bars"): "Song.to_roll",
    ("song", "rolls"): "Song.to_roll",
    ("display", "report"): "what shows itself in a notebook",
}
# The package itself names what is in it, each on first use.
FRONT = "__init__"
HEAVY = ("torch", "pytorch_lightning", "music21", "librosa", "pretty_midi", "matplotlib", "pyarrow")


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    inside = path.relative_to(ROOT)
    return inside.parts[0].removesuffix(".py")


def is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, deferred: bool = False) -> Iterator[tuple[str, bool]]:
    """Rooms that a module imports, and whether it does so inside a function."""
    for node in ast.iter_child_nodes(tree):
        if is_typing(node):
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "musicvae":
                yield from ((alias.name, deferred) for alias in node.names)
            elif node.module and node.module.startswith("musicvae."):
                yield node.module.split(".")[1], deferred
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("musicvae."):
                    yield alias.name.split(".")[1], deferred
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from imports(node, deferred or inside)


def edges() -> set[tuple[str, str, bool]]:
    found = set()
    for path in modules():
        room = room_of(path)
        if room == FRONT:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        found |= {(room, other, deferred) for other, deferred in imports(tree) if other != room}
    return found - {(room, other, d) for room, other, d in found if other == "__version__"}


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(path) for path in modules()} - {FRONT}
    assert rooms <= set(FLOOR_OF), "name the new room's floor here and in docs/architecture.md"


def test_imports_go_down() -> None:
    wrong = [
        f"{room} -> {other}"
        for room, other, deferred in sorted(edges())
        if FLOOR_OF[other] >= FLOOR_OF[room]
        and (room, other) not in NEIGHBOURS
        and not (deferred and (room, other) in UPWARD)
    ]
    assert wrong == []


def test_the_exceptions_are_needed() -> None:
    used = {(room, other) for room, other, _ in edges()}
    assert set(NEIGHBOURS) | set(UPWARD) <= used


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_is_small_and_says_where_it_lives(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 350
    assert path.stem not in ("utils", "util", "helpers", "misc")
    room = room_of(path)
    words = ast.get_docstring(ast.parse(text)) or ""
    if room != FRONT and words.startswith("Floor "):
        assert words.startswith(f"Floor {FLOOR_OF[room]}:")


def test_floors_are_told_apart_by_this_test() -> None:
    """It sees what it should: a deferred import, a typed one, a plain one."""
    code = (
        "from musicvae.model import MusicVAE\n"
        "if TYPE_CHECKING:\n    from musicvae.cli import main\n"
        "def f():\n    from musicvae import formats\n    import musicvae.bars.more\n"
    )
    found = list(imports(ast.parse(code)))
    assert found == [("model", False), ("formats", True), ("bars", True)]


@pytest.mark.parametrize(
    "code",
    [
        "import musicvae; musicvae.Song, musicvae.Bars, musicvae.Preset",
        "from musicvae.cli import main; main(['--help'], standalone_mode=False)",
        "from musicvae.cli import main; main(['plot', '--help'], standalone_mode=False)",
        "from musicvae.cli import main; main(['presets'], standalone_mode=False)",
    ],
    ids=["import", "help", "plot --help", "presets"],
)
def test_what_should_be_light_is(code: str) -> None:
    check = f"import sys; {code}; sys.exit([m for m in {HEAVY!r} if m in sys.modules] or 0)"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_public_names_are_all_there() -> None:
    assert set(musicvae.__all__) <= set(dir(musicvae)) | {
        n for n in musicvae.__all__ if getattr(musicvae, n)
    }
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = musicvae.nothing
