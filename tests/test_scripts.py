"""Scripts and benchmarks are run by people, not by tests: what they import must still be there."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = sorted((*ROOT.glob("benchmarks/*.py"), *ROOT.glob("scripts/*.py")))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.name)
def test_what_a_tool_imports_of_us_is_there(tool: Path) -> None:
    for node in ast.walk(ast.parse(tool.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "musicvae":
            home = import_module(node.module or "")
            for alias in node.names:
                if not hasattr(home, alias.name):
                    import_module(f"{node.module}.{alias.name}")
