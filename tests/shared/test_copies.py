from __future__ import annotations

import pytest

from lorad.shared.errors import NoSweep, RecipeError, SweepTooLarge, WrongValue
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.copies import copied_source, free_name, is_sweep, split_values, variants

TEXT = """# mine
name = "cat"
[data]
path = "p"
[train]
learning_rate = 1e-3  # high
[output]
folder = "there"
"""


def test_a_copy_keeps_the_text_and_writes_elsewhere() -> None:
    text = copied_source(TEXT, {"rank": "8", "lr": "0.5"}, "cat-2")
    recipe = parse_recipe(text)
    assert (recipe.name, recipe.lora.rank, recipe.train.learning_rate) == ("cat-2", 8, 0.5)
    assert recipe.output.folder is None
    assert text.startswith("# mine\n")
    other = parse_recipe(copied_source(TEXT, {"output.folder": '"here"'}, "b"))
    assert str(other.output.folder) == "here"


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("cat", {"cat"}, "cat-2"),
        ("cat", {"cat", "cat-2"}, "cat-3"),
        ("cat-2", {"cat", "cat-2"}, "cat-3"),
        ("sdxl-10", {"sdxl-10"}, "sdxl-10-2"),
        ("x" * 64, {"x" * 64}, "x" * 62 + "-2"),
    ],
)
def test_names_are_counted(name: str, taken: set[str], free: str) -> None:
    assert free_name(name, taken) == free


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-4, 5e-5", ["1e-4", "5e-5"]),
        ("8", ["8"]),
        ('["a", "b"]', ['["a", "b"]']),
        ('["a"],["b, c"]', ['["a"]', '["b, c"]']),
        ("'a,b',c", ["'a,b'", "c"]),
        ("{a = 1, b = 2}", ["{a = 1, b = 2}"]),
        (",", [","]),
    ],
)
def test_commas_part_values_but_not_lists_and_texts(text: str, values: list[str]) -> None:
    assert split_values(text) == values
    assert is_sweep({"a": text}) == (len(values) > 1)


def test_every_combination_has_a_name_that_tells_it() -> None:
    found = variants(
        parse_recipe(TEXT), {"lr": "1e-4,5e-5", "lora.rank": "8,16", "train.seed": "3"}
    )
    assert [one.name for one in found] == [
        "cat-lr1e-4-rank8",
        "cat-lr1e-4-rank16",
        "cat-lr5e-5-rank8",
        "cat-lr5e-5-rank16",
    ]
    assert found[1].changes == {
        "train.learning_rate": "1e-4",
        "lora.rank": "16",
        "train.seed": "3",
    }


def test_names_are_sound_and_different() -> None:
    recipe = parse_recipe(TEXT)
    axes = {"sample.prompts": '["a cat?"],["a cat!"]', "model.base": '"org/a b","/models/x"'}
    names = [one.name for one in variants(recipe, axes)]
    assert len(set(names)) == 4
    for name in names:
        assert parse_recipe(copied_source(TEXT, {}, name)).name == name


@pytest.mark.parametrize(
    ("axes", "error", "words"),
    [
        ({"rank": "8"}, NoSweep, "No key"),
        ({"rank": ",".join(map(str, range(1, 102)))}, SweepTooLarge, "comes to 101 jobs"),
        ({"rank": "8,0"}, WrongValue, "`lora.rank` does not fit"),
        ({"rnk": "8,9"}, RecipeError, "Did you mean `lora.rank`"),
        ({"lr": "1,2", "learning_rate": "3,4"}, WrongValue, "set twice"),
    ],
)
def test_sweeps_that_cannot_be(axes: dict[str, str], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        variants(parse_recipe(TEXT), axes)
