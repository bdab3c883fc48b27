"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from lorad.shared.recipe import Data, Prompt, Recipe, load_recipe, parse_recipe

ROOT = Path(__file__).parent.parent


def test_the_protocols_tables_are_those_of_the_code() -> None:
    command = [sys.executable, str(ROOT / "docs" / "make_protocol.py"), "--check"]
    assert subprocess.run(command).returncode == 0, "run: python docs/make_protocol.py"


def test_the_dashboards_keys_are_those_of_the_code() -> None:
    command = [sys.executable, str(ROOT / "docs" / "make_screenshot.py"), "--check"]
    assert subprocess.run(command).returncode == 0, "run: python docs/make_screenshot.py --keys"


PAGES = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in
         sorted((ROOT / "docs").glob("*.md")))]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_names_is_there(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\((?!http|#|\[)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_architecture_fits_its_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", "docs/recipe.md"])
def test_recipes_in_the_pages_are_recipes(page: str) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse_recipe(block)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.name)
def test_examples_are_recipes(path: Path) -> None:
    load_recipe(path)


SECTIONS = {
    field.name: Data if field.name == "data" else type(field.default)
    for field in msgspec.structs.fields(Recipe)
    if field.name != "name"
}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_has_every_key_with_its_default(section: str) -> None:
    """A key that has no default of its own stands in a comment."""
    page = (ROOT / "docs" / "recipe.md").read_text()
    block = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
    table = re.split(rf"^\[{section}\]", block, flags=re.MULTILINE)[1]
    table = re.split(r"^\[\w+\]", table, flags=re.MULTILINE)[0]
    lines = {
        found[2]: (bool(found[1]), found[0].removeprefix("# "))
        for found in re.finditer(r"^(# )?(\w+) = .*$", table, re.MULTILINE)
    }
    fields = {field.name: field for field in msgspec.structs.fields(SECTIONS[section])}
    assert list(lines) == list(fields), "in the order of sections.py"
    for name, (commented, line) in lines.items():
        default = fields[name].default
        if fields[name].default_factory is not msgspec.NODEFAULT:
            default = fields[name].default_factory()
        assert commented == (default is None) or name == "path", name
        if not commented and name != "path":
            found = tomllib.loads(line)[name]
            assert (tuple(found) if isinstance(found, list) else found) == default, name


def test_the_page_has_every_key_of_a_prompt() -> None:
    page = (ROOT / "docs" / "recipe.md").read_text()
    for name in Prompt.__struct_fields__:
        assert f"{name} = " in page.split("A prompt may be a table")[1].split("Several")[0], name
