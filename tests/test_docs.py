"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lorad.shared.recipe import parse_recipe

ROOT = Path(__file__).parent.parent


def test_the_protocols_tables_are_those_of_the_code() -> None:
    command = [sys.executable, str(ROOT / "docs" / "make_protocol.py"), "--check"]
    assert subprocess.run(command).returncode == 0, "run: python docs/make_protocol.py"


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"])
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_architecture_fits_its_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", "docs/recipe.md"])
def test_recipes_in_the_pages_are_recipes(page: str) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse_recipe(block)
