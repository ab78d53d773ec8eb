"""README, docs/ and `--help`: the commands, names, links and anchors that they mention exist."""

from __future__ import annotations

import ast
import inspect
import logging
import re
import shlex
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

import musicvae
from docs.tools import check_site
from musicvae.checkpoints import registry
from musicvae.cli import main
from musicvae.cli.commands import COMMAND_HELP

ROOT = Path(__file__).parent.parent
SHIPPED = {path.stem for path in registry.shipped_folder().glob("*.safetensors")}
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / f"{n}.md" for n in ("README", "CONTRIBUTING"))]
)
SITE = (ROOT / "mkdocs.yml").read_text("utf-8")
FROM_THE_ROOT = {"changelog.md", "contributing.md"}
"""Pages that the site makes of files in the root of the repository."""
PUBLIC_PACKAGES = (
    *("attributes", "checkpoints", "chords", "data", "downbeats", "evaluation", "harmony", "io"),
    *("latent", "networks", "plots", "report", "training"),
)


def _code_blocks(text: str) -> Iterator[str]:
    """Yield the contents of fenced and of indented blocks of Markdown."""
    yield from re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.M | re.S)
    prose = re.sub(r"^ *```[^\n]*\n.*?^ *```", "", text, flags=re.M | re.S)
    yield from re.findall(r"(?:\A|\n)\n((?: {4}[^\n]*\n)+)", prose)


def _commands(text: str) -> Iterator[str]:
    """Yield the musicvae commands of a page; those in a line of prose begin with a backtick."""
    for block in _code_blocks(text):
        joined = block.replace("\\\n", " ")
        yield from re.findall(r"^[ $]*(musicvae [^\n]+)", joined, re.M)
    prose = re.sub(r"^ *```[^\n]*\n.*?^ *```", "", text, flags=re.M | re.S)
    for span in re.findall(r"`(musicvae\s[^`]+)`", prose):
        yield "`" + " ".join(span.split())


def _examples() -> list[str]:
    lines = [line for page in PAGES for line in _commands(page.read_text("utf-8"))]
    context = click.Context(main, info_name="musicvae")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None and command.help
        lines += re.findall(r"^\s*(musicvae [^\n]+)", command.help, re.M)
    return sorted({line.strip() for line in lines if "[--" not in line})  # not a synopsis


@pytest.mark.parametrize("line", _examples())
def test_documented_commands_parse(line: str) -> None:
    is_prose, line = line.startswith("`"), line.lstrip("`")
    _, *words = shlex.split(line, comments=True)
    stop = (at for at, word in enumerate(words) if re.match(r"[0-9]?>|\||&&|;", word))
    name, *words = words[: next(stop, len(words))]
    if name in ("--help", "--version", "COMMAND"):
        return
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"{line}: no such command"
    if words in (["--help"], ["..."]):
        return
    try:
        if isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), words[0]) if words else None
            assert inner is not None or not words, f"{line}: no such command"
            if inner is not None and words[1:]:
                inner.make_context(words[0], words[1:])
        elif words or not any(p.required for p in command.params):
            command.make_context(name, words)
    except click.UsageError as error:
        if is_prose and isinstance(error, (click.MissingParameter, click.BadOptionUsage)):
            return  # prose names an option without its value and the rest of the command
        pytest.fail(f"{line}: {error.format_message()}")


def test_commands_of_a_page_are_found() -> None:
    block = "```sh\n$ musicvae train a \\\n  --minutes 1\n```\n"
    assert list(_commands(f"A `musicvae\ninfo`.\n\n{block}\n    musicvae map b\n")) == [
        "musicvae train a    --minutes 1",
        "musicvae map b",
        "`musicvae info",
    ]


def test_python_example_names_exist() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names = [
        alias.name
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert names and all(hasattr(musicvae, name) for name in names)
    model = import_module("musicvae.model").MusicVAE
    for method in re.findall(r"model\.(\w+)\(", block):
        assert hasattr(model, method)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_imports_of_python_examples_exist(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("musicvae"):
                module = import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def test_models_are_shipped() -> None:
    lines = [line for page in PAGES for line in _commands(page.read_text("utf-8"))]
    names = re.findall(r"(?:musicvae evaluate|--checkpoint) ([a-z]+-[\w]+)", "\n".join(lines))
    assert "melody-2bar" in names and set(names) <= SHIPPED


def test_make_targets_exist() -> None:
    for target in re.findall(r"^make (\w+)", README, re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")


def _anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub and the site make them."""
    prose = re.sub(r"^ *```[^\n]*\n.*?^ *```", "", text, flags=re.M | re.S)
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?)\s*$", prose, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.replace("`", ""))
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        found.append(f"{slug}-{n}" if (n := found.count(slug)) else slug)
    return set(found)


def _links(text: str) -> Iterator[str]:
    """Yield the relative targets of links, pictures and sounds of a page."""
    prose = re.sub(r"^ *```[^\n]*\n.*?^ *```|`[^`\n]*`", "", text, flags=re.M | re.S)
    yield from re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", prose)
    yield from re.findall(r"(?:src|srcset|href)=\"(?![a-z]+:)([^\"]+)\"", prose)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_anchors_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for link in _links(text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if path in FROM_THE_ROOT and page.parent.name == "docs":
            continue
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            made = set(COMMAND_HELP) if target.name == "cli.md" else set()
            assert anchor in made | _anchors(target.read_text("utf-8")), link


def test_anchors_are_those_of_github() -> None:
    text = "# Which model, for which song?\n```\n# code\n```\n## `x` and [y](z.md)\n## A\n## A\n"
    assert _anchors(text) == {"which-model-for-which-song", "x-and-y", "a", "a-1"}


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"([\w/-]+\.md)$", SITE.split("\nnav:\n")[1], re.M)
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert set(listed) == pages | FROM_THE_ROOT


def _reference() -> tuple[set[int], dict[str, set[str]]]:
    """Return the identities of the objects of the API pages, and the members listed by path."""
    documented: set[int] = set()
    members: dict[str, set[str]] = {}
    for page in (ROOT / "docs" / "api").glob("*.md"):
        text = page.read_text("utf-8")
        for path, options in re.findall(r"^::: ([\w.]+)\n((?: {4}[^\n]*\n?)*)", text + "\n", re.M):
            value = _resolve(path)
            documented.add(id(value))
            if isinstance(value, ModuleType):
                own = (v for n, v in vars(value).items() if not n.startswith("_"))
                documented |= {id(v) for v in own if _is_defined_in(v, path)}
            members[path] = set(re.findall(r"^ {8}- (\w+)", options, re.M))
    return documented, members


def _resolve(path: str) -> Any:
    """Return the object of a dotted path. Fails if it does not exist."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        owner, _, name = path.rpartition(".")
        return getattr(_resolve(owner), name)


def _is_defined_in(value: Any, module: str) -> bool:
    return getattr(value, "__module__", module) == module


def test_every_public_name_is_in_the_api_reference() -> None:
    documented, members = _reference()
    for name in set(musicvae.__all__) - {"__version__"}:
        assert id(getattr(musicvae, name)) in documented, name
    model = import_module("musicvae.model").MusicVAE
    methods = {
        name
        for name in dir(model)
        if not name.startswith("_") and not check_site.is_deprecated(getattr(model, name))
    }
    assert members["musicvae.model.MusicVAE"] == methods


@pytest.mark.parametrize("package", PUBLIC_PACKAGES)
def test_classes_and_functions_of_packages_are_in_the_api_reference(package: str) -> None:
    documented, _ = _reference()
    module = import_module(f"musicvae.{package}")
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert id(value) in documented, f"musicvae.{package}.{name}"


def test_links_of_the_site(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mkdocs")
    from docs.tools.mkdocs_hooks import command_reference, rewrite_links

    def rewritten(text: str, source: str = "docs/api/x.md", page: str = "api/x.md") -> str:
        return rewrite_links(text, source, page, "https://example.org/r")

    assert rewritten("[a](../map.md#x) [b](https://c.d)") == "[a](../map.md#x) [b](https://c.d)"
    assert rewritten("[a](../../README.md#b)") == "[a](https://example.org/r/blob/main/README.md#b)"
    assert rewritten("[a](../../examples/)") == "[a](https://example.org/r/tree/main/examples)"
    assert rewritten("[a](../../CHANGELOG.md)") == "[a](../changelog.md)"
    assert rewritten("[a](docs/map.md)", "CHANGELOG.md", "changelog.md") == "[a](map.md)"
    code = "`[a](../../none.md)`\n```\n[a](../../none.md)\n```\n"
    assert rewritten(code) == code and not caplog.records
    with caplog.at_level(logging.WARNING):
        rewritten("[a](../../none.md)")
        rewritten("[a](../../../outside.md)")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2

    reference = command_reference()
    for name in COMMAND_HELP:
        assert f"{{ #{name} }}" in reference
    assert "`--minutes FLOAT RANGE`" in reference and "musicvae corpus export" in reference


def test_faults_of_a_site_are_found(tmp_path: Path) -> None:
    names = zlib.compress(b"musicvae.model.MusicVAE py:class 1 x -\n")
    (tmp_path / "objects.inv").write_bytes(b"# v2\n# a\n# b\n# c\n" + names)
    (tmp_path / "a.css").write_text("x { background: url(https://x.org/y.png) }")
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="#top"></a><a href="#none"></a><a href="gone/"></a>'
        '<a href="https://x.org"></a><img src="https://x.org/i.png"><script src="gone.js"></script>'
        '<link rel="canonical" href="https://x.org"><img src="a.css">'
    )
    found = [line for line in check_site.faults(tmp_path) if "API reference" not in line]
    assert sorted(found) == [
        "a.css: loads url(https://x.org/y.png",
        "index.html: links to #none; there is no such anchor",
        "index.html: links to gone/, which does not exist",
        "index.html: loads gone.js, which does not exist",
        "index.html: loads https://x.org/i.png",
    ]
    missing = check_site.missing_names(tmp_path)
    assert "musicvae.model.MusicVAE.sample" in missing and "musicvae.model.MusicVAE" not in missing
    assert not any("continue_" in name for name in missing)  # deprecated
