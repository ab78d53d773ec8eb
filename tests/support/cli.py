"""The command line, called in this process."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from musicvae.cli import main


def run(*words: object) -> Result:
    """Run `musicvae` with these words."""
    return CliRunner().invoke(main, [str(word) for word in words])


def lines_of(result: Result) -> list[dict[str, Any]]:
    """Return the JSON lines of a command that succeeded."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]
