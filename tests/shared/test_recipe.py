from __future__ import annotations

from pathlib import Path

import pytest

from lorad.shared import shipped
from lorad.shared.errors import (
    NotToml,
    RecipeError,
    RecipeMissing,
    RecipeUnreadable,
    UnknownKey,
    WrongValue,
)
from lorad.shared.recipe import load_recipe, parse_recipe, template

DATA = '[data]\npath = "p"\n'


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("x = [", NotToml, "not valid TOML"),
        (f'name = "a"\n{DATA}[train]\nlearning_rat = 1', UnknownKey, "`train.learning_rate`?"),
        (f'name = "a"\nrank = 4\n{DATA}', UnknownKey, "`lora.rank`?"),
        (f'name = "a"\n{DATA}[zzz]', UnknownKey, "There are: buckets, data"),
        (DATA, WrongValue, "`name` does not fit: it is missing"),
        (f"name = 3\n{DATA}", WrongValue, "expected text in quotes, got a whole number"),
        (f'name = "a"\n{DATA}[train]\nlearning_rate = "1"', WrongValue, "`train.learning_rate`"),
        (f'name = "a"\n{DATA}[train]\nresolution = 63', WrongValue, "multiple of 8"),
        (f'name = "a"\n{DATA}[train]\nmixed_precision = "fp8"', WrongValue, '"fp16", "bf16"'),
        (f'name = "../a"\n{DATA}', WrongValue, "letters, digits"),
        ('name = "a"', WrongValue, "set `path`"),
        (f'name = "a"\n{DATA}dataset_name = "b/c"', WrongValue, "not both"),
        (f'name = "a"\n{DATA}[lora]\ntarget_modules = []', WrongValue, "nothing would be trained"),
        (f'name = "a"\n{DATA}[output]\nkeep = 1', WrongValue, "`output.keep`"),
        (f'name = "adapter"\n{DATA}', WrongValue, "another file in the output"),
        (f'name = "a"\n{DATA}[train]\nseed = {2**70}', WrongValue, "`train.seed`"),
        (f'name = "a"\n{DATA}[train]\nlearning_rate = inf', WrongValue, "`train.learning_rate`"),
        (f'name = "a"\n{DATA}[train]\nlearning_rate = nan', WrongValue, "`train.learning_rate`"),
        (
            f'name = "a"\n{DATA}[schedule]\nlr_scheduler = "constant"\nlr_warmup_steps = 3',
            WrongValue,
            "constant_with_warmup",
        ),
    ],
)
def test_mistake_gets_its_sentence(text: str, error: type[RecipeError], sentence: str) -> None:
    with pytest.raises(error) as caught:
        parse_recipe(text)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeMissing, match="lorad init"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeUnreadable):
        load_recipe(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(RecipeUnreadable):
        load_recipe(tmp_path / "latin.toml")


def test_defaults_are_the_documented_ones() -> None:
    recipe = parse_recipe(f'name = "a"\n{DATA}')
    assert recipe.lora.alpha is None  # equal to the rank
    assert recipe.lora.target_modules == "attention"
    assert recipe.objective.snr_gamma == 5.0
    assert recipe.data[0].caption_dropout == 0.05
    assert recipe.output.keep == 2


def test_template_and_demo_are_recipes() -> None:
    assert parse_recipe(template("mine", "mine.toml")).name == "mine"
    demo, _ = load_recipe(shipped.DEMO / "demo.toml")
    assert "conv1" in demo.lora.target_modules
