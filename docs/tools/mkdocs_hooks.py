"""Hooks of mkdocs: pages from outside docs/, links to files of the repository, the commands.

Pages are written for GitHub, where relative links reach every file of the repository. On the site
those to files outside docs/ become addresses in the repository; a link to a file that does not
exist is a warning, which `mkdocs build --strict` turns into an error.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
PAGES_OF_THE_ROOT = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages of the site whose source lies in the root of the repository."""
COMMANDS_MARK = "<!-- commands -->"
_LINK = re.compile(r"`[^`]*`|(?P<open>!?\[[^\]]*\]\()(?P<target>[^)\s]+)(?P<close>\))")
_FENCE = re.compile(r"^ *(```|~~~)")
_SOUND = re.compile(r'<a href="([^":]+\.mp3)">([^<]*)</a>')
_log = logging.getLogger("mkdocs.hooks")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages whose source lies in the root of the repository."""
    for source, page in PAGES_OF_THE_ROOT.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links to files outside docs/, and insert the reference of the commands."""
    uri = page.file.src_uri
    source = next((name for name, made in PAGES_OF_THE_ROOT.items() if made == uri), f"docs/{uri}")
    if COMMANDS_MARK in markdown:
        markdown = markdown.replace(COMMANDS_MARK, command_reference())
    return rewrite_links(markdown, source, uri, str(config.repo_url))


def rewrite_links(markdown: str, source: str, page: str, repo_url: str) -> str:
    """Return Markdown whose relative links fit the site.

    Args:
        markdown: text of a page.
        source: path of its file in the repository.
        page: its path in the site's sources.
        repo_url: address of the repository, for files that are not part of the site.
    """

    def rewrite(found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or re.match(r"[a-z]+:|#|/", target):
            return found[0]
        path, _, anchor = target.partition("#")
        in_repository = os.path.normpath(PurePosixPath(source).parent / path).replace(os.sep, "/")
        anchor = anchor and f"#{anchor}"
        if in_repository in PAGES_OF_THE_ROOT:
            in_site = PAGES_OF_THE_ROOT[in_repository]
        elif in_repository.startswith("docs/") and not in_repository.startswith("docs/tools/"):
            in_site = in_repository.removeprefix("docs/")
        elif (ROOT / in_repository).exists() and not in_repository.startswith(".."):
            kind = "tree" if (ROOT / in_repository).is_dir() else "blob"
            address = f"{repo_url}/{kind}/main/{in_repository}{anchor}"
            return f"{found['open']}{address}{found['close']}"
        else:
            _log.warning("%s: links to %s, which does not exist", source, target)
            return found[0]
        relative = os.path.relpath(in_site, PurePosixPath(page).parent).replace(os.sep, "/")
        return f"{found['open']}{relative}{anchor}{found['close']}"

    return "".join(
        line if is_code else _LINK.sub(rewrite, line) for line, is_code in split_code(markdown)
    )


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Play sounds on the page that links to them."""
    return _SOUND.sub(r'<audio controls preload="none" src="\1" title="\2"></audio>', html)


def split_code(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a page, and whether each is part of a fenced block."""
    fence = ""
    for line in markdown.splitlines(keepends=True):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
            yield line, True
        elif found and found[1] == fence:
            fence = ""
            yield line, True
        else:
            yield line, bool(fence)


def command_reference() -> str:
    """Return the reference of all commands as Markdown, from their help."""
    from musicvae.cli import main
    from musicvae.cli.commands import COMMAND_ALIASES, COMMAND_SECTIONS

    parent = click.Context(main, info_name="musicvae")
    lines: list[str] = []
    for title, commands in COMMAND_SECTIONS.items():
        lines += [f"## {title}", ""]
        for name in commands:
            command = main.get_command(parent, name)
            assert command is not None
            aliases = [alias for alias, known in COMMAND_ALIASES.items() if known == name]
            lines += _describe(command, f"musicvae {name}", name, aliases)
            for inner, each in getattr(command, "commands", {}).items():
                lines += _describe(each, f"musicvae {name} {inner}", f"{name}-{inner}", [])
    return "\n".join(lines)


def _describe(command: click.Command, words: str, anchor: str, aliases: list[str]) -> list[str]:
    """Return the section of one command."""
    context = click.Context(command, info_name=words)
    usage = " ".join([words, *command.collect_usage_pieces(context)])
    lines = [f"### {words} {{ #{anchor} }}", "", "```text", usage, "```", ""]
    lines += _help_text(command.help or "")
    if aliases:
        lines += ["Also: " + ", ".join(f"`musicvae {alias}`" for alias in aliases), ""]
    records = [param.get_help_record(context) for param in command.get_params(context)]
    for names, text in filter(None, records):
        if text and "--help" not in names:
            lines += [f"`{names}`", f":   {_escape(' '.join(text.split()))}", ""]
    return lines


def _help_text(text: str) -> list[str]:
    """Return the help of a command as Markdown: paragraphs, and examples as code."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        rows = [row.rstrip() for row in paragraph.splitlines() if row.strip() != "\b"]
        examples = [row.strip() for row in rows if row.strip().startswith("musicvae ")]
        words = [row.strip() for row in rows if row.strip() not in examples]
        words = [] if words in (["Examples:"], ["Example:"]) else words
        lines += [_escape(" ".join(words)), ""] if words else []
        lines += ["```sh", *examples, "```", ""] if examples else []
    return lines


def _escape(text: str) -> str:
    """Return text of a help without a meaning in Markdown."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", part) for part in parts
    )
