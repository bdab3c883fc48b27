"""The house itself: three source roots of one namespace, light imports, small files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for room in ("daemon", "shared", "tui", "examples") for path in (ROOT / room).rglob("*.py")
)


@pytest.mark.parametrize("folder", ["daemon", "shared", "tui"])
def test_folder_is_a_source_root(folder: str) -> None:
    contents = {path.name for path in (ROOT / folder / "lorad").iterdir()}
    assert contents - {"__pycache__"} == {folder}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("lorad.tui.cli", {"torch", "numpy", "PIL", "textual", "rich"}),
        ("lorad.tui.app", {"torch", "numpy", "PIL", "diffusers"}),
        ("lorad.tui.tunnel", {"torch", "numpy", "PIL", "textual", "rich"}),
        ("lorad.tui.fetching", {"torch", "numpy", "PIL", "textual", "rich"}),
        ("lorad.tui.commands.events", {"torch", "numpy", "PIL", "textual", "rich"}),
        ("lorad.tui.commands.get", {"torch", "numpy", "PIL", "textual", "rich"}),
        ("lorad.tui.commands.proxy", {"torch", "numpy", "PIL", "textual", "rich"}),
        ("lorad.shared.config", {"torch", "numpy", "PIL", "textual", "rich", "zmq"}),
        ("lorad.daemon.service", {"torch", "numpy", "PIL", "diffusers", "textual"}),
        ("lorad.daemon.uplink", {"torch", "numpy", "PIL", "diffusers", "textual"}),
    ],
)
def test_module_stays_light(module: str, heavy: set[str]) -> None:
    """The static contracts cannot see an import inside a function."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"
