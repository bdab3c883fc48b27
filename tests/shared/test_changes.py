"""What may change in a recipe that is queued already."""

from __future__ import annotations

import msgspec
import pytest

from lorad.shared.errors import CannotChange, KeyUnclear, RecipeError, UnknownKey, WrongValue
from lorad.shared.recipe import Recipe, parse_recipe, template
from lorad.shared.recipe.changes import (
    AT_THE_NEXT_START,
    MAY_CHANGE,
    SECTIONS,
    Change,
    apply_changes,
    changed,
    changed_source,
    full_key,
    is_late,
    may_change,
    merge_changes,
    plain_changes,
)
from lorad.shared.recipe.writing import as_document

TEXT = """\
# my recipe
name = "a"
[data]
path = "p"   # here
[train]
learning_rate = 1e-4  # a guess
max_train_steps = 100
[sample]
prompts = [
  "a cat",  # first
  "a dog",
]
seed = 3
"""
RECIPE = parse_recipe(TEXT)


def test_the_table_names_keys_that_exist() -> None:
    for table, keys in MAY_CHANGE.items():
        assert set(keys) <= set(SECTIONS[table].__struct_fields__)


@pytest.mark.parametrize(
    ("name", "value", "ask", "now"),
    [
        ("learning_rate", "5e-5", lambda r: r.train.learning_rate, 5e-5),
        ("train.learning_rate", "1", lambda r: r.train.learning_rate, 1.0),
        ("prompts", '["x", "y"]', lambda r: r.sample.prompts, ("x", "y")),
        ("sample.negative_prompt", "ugly", lambda r: r.sample.negative_prompt, "ugly"),
        ("lr_scheduler", "linear", lambda r: r.schedule.lr_scheduler, "linear"),
        ("data.path", "'else/where'", lambda r: r.data[0].path, "else/where"),
        ("data[0].path", "moved", lambda r: r.data[0].path, "moved"),
        ("log.report_to", '["wandb"]', lambda r: r.log.report_to, ("wandb",)),
        # One of the two lengths takes the other one out.
        ("num_train_epochs", "3", lambda r: r.train.max_train_steps, None),
        ("max_train_steps", "3", lambda r: r.train.known_steps, 3),
    ],
)  # fmt: skip
def test_what_changes(name: str, value: str, ask, now: object) -> None:  # type: ignore[no-untyped-def]
    recipe = apply_changes(RECIPE, {name: value})
    assert ask(recipe) == now
    assert apply_changes(RECIPE, plain_changes(RECIPE, {name: value})) == recipe
    source = changed_source(TEXT, plain_changes(RECIPE, {name: value}))
    assert parse_recipe(source) == recipe
    assert source.startswith("# my recipe\n"), "the text is the user's own"


@pytest.mark.parametrize(
    ("name", "value", "kind", "sentence"),
    [
        ("learnin_rate", "1", UnknownKey, "Did you mean `train.learning_rate`?"),
        ("train.rank", "1", UnknownKey, "Did you mean `lora.rank`?"),
        ("a.b.c", "1", UnknownKey, "unknown key `a.b.c`"),
        ("seed", "1", KeyUnclear, "in a recipe. Say `sample.seed`."),
        ("split", "0.1", CannotChange, "`data.split` of a job"),
        ("a.b.c", "1", UnknownKey, "These can be set: data.path, train.learning_rate"),
        ("report_to", "wandb", WrongValue, 'it is a list, such as ["wandb"]'),
        ("report_to", '"wandb"', WrongValue, 'it is a list, such as ["wandb"]'),
        ("learning_rate", "none", WrongValue, "expected a number"),
        ("train", "{}", WrongValue, "set one of its keys, such as train.learning_rate"),
        ("data[1].path", "x", WrongValue, "there is one set of pictures"),
        ("rank", "8", CannotChange, "`lora.rank` of a job cannot be changed: its adapter is made"),
        ("train.seed", "8", CannotChange, "its steps are taken with it"),
        ("data.random_flip", "true", CannotChange, "`data.random_flip` of a job"),
        ("name", "b", CannotChange, "its files are called by it"),
        ("learning_rate", "fast", WrongValue, "expected a number"),
        ("learning_rate", "-1", WrongValue, "`train.learning_rate` does not fit"),
        ("learning_rate", "1\nseed = 2", WrongValue, "more than one value"),
        ("learning_rate", " ", WrongValue, "it is empty"),
        ("prompts", '["a', WrongValue, "no value of TOML"),
        ("text_encoder_lr", "1e-5", WrongValue, "no text encoder is trained"),
        ("patience", "3", WrongValue, "nothing is held out"),
    ],
)
def test_what_does_not(name: str, value: str, kind: type[RecipeError], sentence: str) -> None:
    with pytest.raises(kind) as caught:
        apply_changes(RECIPE, {name: value})
    assert sentence in str(caught.value)


def test_of_a_copy_all_keys_can_be_set() -> None:
    with pytest.raises(UnknownKey, match=r"docs/recipe.md lists all keys"):
        apply_changes(RECIPE, {"zzzzz": "1"}, free=True)


def test_both_lengths_at_once_are_refused() -> None:
    with pytest.raises(WrongValue, match="not both"):
        apply_changes(RECIPE, {"max_train_steps": "3", "num_train_epochs": "3"})


def test_several_sets_have_numbers() -> None:
    text = 'name = "a"\n[[data]]\npath = "p"\n[[data]]\npath = "q"\n'
    recipe = parse_recipe(text)
    with pytest.raises(KeyUnclear, match=r"Say `data\[0\].path` or `data\[1\].path`"):
        full_key(recipe, "data.path")
    source = changed_source(text, {"data[1].path": '"moved"'})
    assert [data.path for data in parse_recipe(source).data] == ["p", "moved"]
    assert source.splitlines()[:3] == text.splitlines()[:3]


def test_later_changes_go_over_earlier_ones() -> None:
    first = {"train.max_train_steps": "9", "output.keep": "3"}
    both = merge_changes(first, {"train.num_train_epochs": "2"})
    assert both == {"output.keep": "3", "train.num_train_epochs": "2"}
    assert merge_changes(both, {"output.keep": "4"})["output.keep"] == "4"


@pytest.mark.parametrize(
    "text",
    [
        'name = "a"\ndata = {path = "p"}\ntrain = {learning_rate = 1e-4}\n',
        'name = "a"\ntrain.learning_rate = 1e-4\n[data]\npath = "p"\n',
        'name = "a"\n[data]\npath = """\n[train]\nlearning_rate = 2\n"""\n',
        template("a", "a.toml"),
    ],
)
def test_any_way_of_writing_can_be_changed(text: str) -> None:
    changes = {"train.learning_rate": "0.5", "sample.prompts": '["\\"q\\" \\u007f é"]'}
    wanted = apply_changes(parse_recipe(text), changes)
    assert parse_recipe(changed_source(text, changes)) == wanted


def test_a_recipe_survives_being_written() -> None:
    recipe = parse_recipe(
        'name = "a"\n[[data]]\npath = "p"\nrandom_flip = true\n[[data]]\ndataset_name = "o/s"\n'
        '[lora]\ntarget_modules = ["to_q"]\nrank_pattern = {"mid.*" = 4}\n'
        '[train]\nnum_train_epochs = 2\nexact = false\n[sample]\n'
        'prompts = ["a", {prompt = "b", seed = 4}]\n[log]\nreport_to = ["trackio"]\n'
    )  # fmt: skip
    assert parse_recipe(as_document(recipe)) == recipe


def test_a_key_is_set_once() -> None:
    with pytest.raises(WrongValue, match=r"`train.learning_rate` does not fit: it is set twice"):
        apply_changes(RECIPE, {"learning_rate": "1", "train.learning_rate": "1"})


def test_none_takes_a_key_out() -> None:
    warm = plain_changes(RECIPE, {"lr_warmup_steps": "5", "num_train_epochs": "3"})
    assert apply_changes(RECIPE, warm).schedule.lr_warmup_steps == 5
    out = merge_changes(warm, plain_changes(RECIPE, {"lr_warmup_steps": "none"}))
    assert apply_changes(RECIPE, out).schedule.lr_warmup_steps is None
    assert parse_recipe(changed_source(TEXT, out)).schedule.lr_warmup_steps is None
    # To take out one length does not take out the other.
    out = merge_changes(out, plain_changes(RECIPE, {"max_train_steps": "none"}))
    recipe = apply_changes(RECIPE, out)
    assert (recipe.train.num_train_epochs, recipe.train.max_train_steps) == (3, None)
    source = changed_source(TEXT, {"train.max_train_steps": "none"})
    assert "# max_train_steps = 100" in source
    assert parse_recipe(source).train.known_steps == 1000


def stored(recipe: Recipe) -> dict[str, object]:
    """As a checkpoint has it."""
    return msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(recipe)))


def test_nothing_changed() -> None:
    assert changed(stored(RECIPE), RECIPE) == []


def test_what_changed_since_a_checkpoint() -> None:
    now = parse_recipe(
        TEXT.replace("1e-4", "2e-4").replace('"p"', '"q"').replace("seed = 3", "seed = 4")
        + "[lora]\nrank = 4\n"
    )
    assert changed(stored(RECIPE), now) == [
        Change("data[0].path", "p", "q", True),
        Change("lora.rank", 16, 4, False),
        Change("train.learning_rate", 1e-4, 2e-4, True),
        Change("sample.seed", 3, 4, True),
    ]


def test_another_number_of_sets_is_a_change() -> None:
    now = parse_recipe('name = "a"\n[[data]]\npath = "p"\n[[data]]\npath = "q"\n')
    found = [change for change in changed(stored(RECIPE), now) if change.key == "data"]
    assert [(change.now, change.allowed) for change in found] == [("2", False)]


def test_a_key_that_the_checkpoint_does_not_know_is_no_change() -> None:
    then = stored(RECIPE)
    del then["log"], then["train"]["compile"]  # type: ignore[attr-defined]
    assert changed(then, RECIPE) == []


def test_what_a_struct_comes_to_is_no_change() -> None:
    """`to_builtins` leaves tuples, which JSON does not have."""
    recipe = apply_changes(RECIPE, {"report_to": '["wandb"]'})
    assert changed(msgspec.to_builtins(recipe), recipe) == []


def test_a_change_is_told_in_tomls_words() -> None:
    now = apply_changes(RECIPE, {"report_to": '["wandb"]', "lr_warmup_steps": "5"})
    assert [str(change) for change in changed(stored(RECIPE), now)] == [
        "schedule.lr_warmup_steps was not set and is 5",
        'log.report_to was [] and is ["wandb"]',
    ]
    assert [change.late for change in changed(stored(RECIPE), now)] == [False, True]
    two = parse_recipe('name = "a"\n[[data]]\npath = "p"\n[[data]]\npath = "q"\n')
    assert "data was 1 set of pictures and is 2" in map(str, changed(stored(RECIPE), two))


def test_what_a_run_reads_at_its_start() -> None:
    for key in AT_THE_NEXT_START:
        assert may_change(key)
        assert is_late(key)
    assert is_late("data[1].path")
    assert is_late("num_processes")
    assert not is_late("learning_rate")
