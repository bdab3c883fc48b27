"""What parts several recipes."""

from __future__ import annotations

from lorad.shared.recipe import Recipe, parse_recipe
from lorad.shared.recipe.differences import Difference, differences


def recipe(rest: str = "", data: str = '[data]\npath = "p"') -> Recipe:
    return parse_recipe(f'name = "a"\n{data}\n{rest}')


def test_recipes_that_are_the_same_differ_in_nothing() -> None:
    assert differences([recipe(), recipe(), recipe()]) == []
    assert differences([recipe()]) == []
    assert differences([]) == []


def test_only_the_keys_that_are_not_the_same_in_all_are_told_with_every_value() -> None:
    one = recipe("[train]\nlearning_rate = 1e-4\nseed = 7\n[lora]\nrank = 8")
    two = recipe("[train]\nlearning_rate = 1e-4\nseed = 8\n[lora]\nrank = 8")
    three = recipe("[train]\nlearning_rate = 1e-4\nseed = 7\n[lora]\nrank = 16")
    assert differences([one, two, three]) == [
        Difference("lora.rank", (8, 8, 16)),
        Difference("train.seed", (7, 8, 7)),
    ]


def test_a_value_that_is_not_set_is_none() -> None:
    found = differences([recipe("[train]\nmax_train_steps = 9"), recipe()])
    assert Difference("train.max_train_steps", (9, None)) in found


def test_true_and_one_are_not_the_same() -> None:
    one, two = recipe("[train]\nseed = 1"), recipe("[train]\nseed = 0")
    assert differences([one, two]) == [Difference("train.seed", (1, 0))]


def test_a_recipe_that_cannot_be_read_is_left_out_of_the_comparison() -> None:
    one, two = recipe("[lora]\nrank = 8"), recipe("[lora]\nrank = 16")
    assert differences([one, None, two]) == [Difference("lora.rank", (8, None, 16))]
    assert differences([one, None]) == []
    assert differences([None, None]) == []


def test_of_a_set_of_pictures_that_only_one_has_what_it_says_itself() -> None:
    two = '[[data]]\npath = "p"\n[[data]]\npath = "q"\nrepeats = 3'
    assert differences([recipe(), recipe(data=two)]) == [
        Difference("data[1].path", (None, "q")),
        Difference("data[1].repeats", (None, 3)),
    ]


def test_the_pictures_have_no_number_where_all_have_one_set() -> None:
    assert differences([recipe(), recipe(data='[data]\npath = "q"')]) == [
        Difference("data.path", ("p", "q"))
    ]
