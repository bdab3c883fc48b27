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
        (f"x = {'[' * 100_000}", NotToml, "not valid TOML"),
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
        (
            f'name = "a"\n{DATA}[lora]\ntarget_modules = "a{{99999999999999999999}}"',
            WrongValue,
            "nor a regular expression",
        ),
        (
            f'name = "a"\n{DATA}[lora]\ntarget_modules = "{"(" * 9000}{")" * 9000}"',
            WrongValue,
            "nor a regular expression",
        ),
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


LORA = "[lora]\ntrain_text_encoder = true\n"
SENSE = [
    ("[train]\nmax_train_steps = 20\n[schedule]\nlr_warmup_steps = 20", "schedule.lr_warmup_steps",
     "the whole run would be warm-up"),
    ('[schedule]\nlr_scheduler = "warmup_stable_decay"\nlr_decay_steps = 901',
     "schedule.lr_decay_steps", "100 steps of warm-up and 901 of decay are more than the 1000"),
    ('[train]\nlearning_rate = 1e-7\n[schedule]\nlr_scheduler = "polynomial"',
     "train.learning_rate", "ends at 1e-7"),
    ("[buckets]\nmax_bucket_reso = 256", "buckets.max_bucket_reso", "less than train.resolution"),
    ("[buckets]\nmin_bucket_reso = 520", "buckets.min_bucket_reso", "more than train.resolution"),
    ("[buckets]\nenable_bucket = false\nbucket_no_upscale = true", "buckets.bucket_no_upscale",
     "no effect: there are no buckets"),
    ("[schedule]\nlr_num_cycles = 2", "schedule.lr_num_cycles", "cosine_with_restarts"),
    ("[schedule]\nlr_power = 2.0", "schedule.lr_power", "polynomial"),
    ("[schedule]\nmin_lr_ratio = 0.2", "schedule.min_lr_ratio", "cosine_with_min_lr"),
    ("[schedule]\nlr_decay_steps = 2", "schedule.lr_decay_steps", "warmup_stable_decay"),
    ('[optimizer]\ntype = "prodigy"', "train.learning_rate", "set learning_rate = 1.0"),
    ("[optimizer]\nprodigy_d_coef = 2.0", "optimizer.prodigy_d_coef", 'type = "prodigy"'),
    ("[objective]\nhuber_c = 0.2", "objective.huber_c", "l2"),
    ("[objective]\nmode_scale = 1.0", "objective.mode_scale", '"mode"'),
    ('[objective]\nlogit_std = 2.0\nweighting_scheme = "none"', "objective.logit_std",
     "logit_normal"),
    ('[objective]\nsnr_gamma = 0\nsnr_weighting = "soft_min_snr"', "objective.snr_weighting",
     "snr_gamma = 0"),
    ("[objective]\nprior_loss_weight = 0.5", "objective.prior_loss_weight", "is_reg"),
    ('split = "test"', "data.split", "a folder has no such thing"),
    ('dataset_config_name = "x"', "data.dataset_config_name", "a folder has no such thing"),
    ("caption_variants = 3", "data.caption_variants", "no caption varies"),
    ("crop_variants = 3", "data.crop_variants", "center_crop = false"),
    ('[validate]\npath = "p/"', "validate.path", "its pictures are trained"),
    ('[lora]\ntext_encoder_target_modules = ["q_proj"]', "lora.text_encoder_target_modules",
     "no text encoder is trained"),
    (f"{LORA}text_encoder_target_modules = []", "lora.text_encoder_target_modules", "is empty"),
    ('[lora]\ntarget_modules = ["to_q", ""]', "lora.target_modules", "one of its ends is empty"),
    ("[lora]\nrank_pattern = { '(' = 4 }", "lora.rank_pattern", "no regular expression"),
    ("[lora]\nalpha_pattern = { '(' = 4 }", "lora.alpha_pattern", "no regular expression"),
    ('[lora]\ntype = "lokr"\ninit_lora_weights = "gaussian"', "lora.init_lora_weights",
     "lokr has no such beginning"),
    ("[train]\nmax_train_steps = 2024-01-01", "train.max_train_steps", "got a date"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "sentence"), SENSE)
def test_what_would_do_nothing_or_go_wrong_is_refused(text: str, key: str, sentence: str) -> None:
    with pytest.raises(WrongValue) as caught:
        parse_recipe(f'name = "a"\n{DATA}{text}\n')
    assert caught.value.details["key"] == key
    assert sentence in str(caught.value)


def test_what_has_its_effect_is_taken() -> None:
    parse_recipe(
        'name = "a"\n[[data]]\npath = "p"\nimage_column = "b"\nshuffle_caption = true\n'
        "caption_variants = 3\ncenter_crop = false\ncrop_variants = 2\n"
        '[[data]]\ndataset_name = "o/s"\nsplit = "test"\nis_reg = true\n'
        "[objective]\nprior_loss_weight = 0.5\nlogit_std = 2.0\n"
        "[train]\nlearning_rate = 1.0\nmax_train_steps = 100\n"
        '[optimizer]\ntype = "prodigy"\nprodigy_d_coef = 2.0\n'
        '[schedule]\nlr_scheduler = "warmup_stable_decay"\nlr_decay_steps = 90\n'
    )
