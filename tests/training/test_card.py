"""The model card, and the recipe in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from lorad.daemon.training.card import BEGIN, END, make_card, without_places, write_card
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.writing import as_document

from .adapters import make_recipe

MORE = """
[[data]]
path = "/home/somebody/secret/other pictures"
trigger_word = "zorg"
[model]
base = "owner/model"
[sample]
prompts = ["a cat\\u007f", { prompt = "a \\"dog\\"", seed = 3 }]
[train]
learning_rate = 1e-5
"""


def test_a_recipe_becomes_text_and_a_recipe_again() -> None:
    recipe = make_recipe('rank_pattern = { "a.b" = 8 }\ntarget_modules = ["to_q", "to_k"]', MORE)
    text = as_document(without_places(recipe))
    again = parse_recipe(text)
    assert "secret" not in text
    assert again.data[1].path == "other pictures"
    assert (again.lora, again.sample, again.train) == (recipe.lora, recipe.sample, recipe.train)
    assert again.model == recipe.model
    assert "max_grad_norm" not in text  # a default


def test_the_hub_understands_the_card(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for index, colour in enumerate(("red", "blue")):
        picture = Image.new("RGB", (600, 300), colour)
        picture.save(tmp_path / "samples" / f"step-000030-{index}.png")
    names = write_card(tmp_path, "sdxl", make_recipe("", MORE), 30)
    assert names == ["README.md", "samples.png"]
    card = ModelCard.load(tmp_path / "README.md")
    card_data = card.data
    assert card_data.base_model == "owner/model"
    assert {"lora", "diffusers", "text-to-image", "stable-diffusion-xl"} <= set(card_data.tags)
    assert card_data.instance_prompt == "zorg"
    assert card_data.widget[0]["output"]["url"] == "samples.png"
    assert card_data.license is None
    assert "Write `zorg` in the prompt" in card.text
    assert "30 steps" in card.text
    code = re.search(r"```python\n(.*?)```", card.text, re.DOTALL)
    assert code is not None
    compile(code[1], "card", "exec")
    assert "StableDiffusionXLPipeline.from_pretrained('owner/model')" in code[1]
    with Image.open(tmp_path / "samples.png") as grid:
        assert grid.size == (256, 24 + 2 * 256)


def test_what_people_wrote_into_a_card_stays(tmp_path: Path) -> None:
    write_card(tmp_path, "sdxl", make_recipe("", MORE), 30)
    path = tmp_path / "README.md"
    text = path.read_text().replace("---\n", "---\n# ours\nlicense: cc0-1.0  # all yours\n", 1)
    text = text.replace("tags:\n", "tags:\n- watercolour\n").replace("zorg", "zarg")
    text = text.replace("Not stated yet.", "CC0.").replace("# small", "# A name that is rewritten")
    path.write_text(text.replace(BEGIN, f"Look!\n\n{BEGIN}") + "\n## Thanks\n\nto all\n")
    (tmp_path / "samples").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "samples" / "step-000060-0.png")
    for step in (60, 90):
        write_card(tmp_path, "sdxl", make_recipe("", MORE), step)
        card = ModelCard.load(path)
        assert card.data.license == "cc0-1.0"
        assert {"watercolour", "lora"} <= set(card.data.tags)
        assert card.data.instance_prompt == "zorg"
        assert card.data.widget[0]["output"]["url"] == "samples.png"
        assert card.text.lstrip().startswith("Look!")
        assert card.text.count("# small") == card.text.count("## With diffusers") == 1
        assert f"trained for {step} steps" in card.text
        assert "CC0. Say here" in card.text
        assert card.text.endswith("## Thanks\n\nto all\n")
        assert "\n# ours\nlicense: cc0-1.0  # all yours\n" in path.read_text()


@pytest.mark.parametrize(
    "text", ["# My own\n", f"{BEGIN}\nhalf", "---\nlicense: mit\n---\n", "\xff"]
)
def test_a_card_of_somebodys_own_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "README.md").write_bytes(text.encode("latin-1"))
    write_card(tmp_path, "sdxl", make_recipe("", MORE), 30)
    assert (tmp_path / "README.md").read_bytes() == text.encode("latin-1")


def test_a_mark_in_a_prompt_ends_nothing(tmp_path: Path) -> None:
    told = make_recipe("", f'[sample]\nprompts = ["{END}"]')
    for step in (3, 6):
        write_card(tmp_path, "sd1", told, step)
    assert (tmp_path / "README.md").read_text() == make_card("sd1", told, 6, has_grid=False)


def test_a_base_of_the_users_own_is_not_told_where() -> None:
    recipe = make_recipe("", '[model]\nbase = "/home/somebody/models/mine"')
    text = make_card("sd1", recipe, 3, has_grid=False)
    assert "somebody" not in text
    assert "base_model" not in text
    assert "samples.png" not in text


@pytest.mark.parametrize(
    ("lora", "said"),
    [("", "load_lora_weights"), ('type = "lokr"', "load_lora_adapter"),
     ('type = "loha"', "no loader for LoHa")],
)  # fmt: skip
def test_each_type_says_how_it_is_loaded(lora: str, said: str) -> None:
    text = make_card("sd3", make_recipe(lora), 3, has_grid=False)
    assert said in text
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code is not None
    compile(code[1], "card", "exec")
