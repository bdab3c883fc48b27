"""`lorad import` of diffusers' commands."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Lorad
from hypothesis import given
from hypothesis import strategies as st

from lorad.shared.errors import CannotImport
from lorad.shared.recipe import Prompt, Recipe, parse_recipe
from lorad.tui.imports import Imported, import_source
from lorad.tui.imports.writing import write_value

SCRIPT = "accelerate launch train_text_to_image_lora.py"
BASE = f"{SCRIPT} --pretrained_model_name_or_path=a/b --dataset_name=c/d"

TUTORIAL = """\
#!/bin/bash
# LoRA on one card, don't forget `accelerate config`
export MODEL_NAME="stable-diffusion-v1-5/stable-diffusion-v1-5"
export OUTPUT_DIR="/sddata/finetune/lora/pokemon"   # a disk with room
export HUB_MODEL_ID="pokemon-lora"
export DATASET_NAME="svjack/pokemon-blip-captions-en-zh"

accelerate launch --mixed_precision="fp16"  train_text_to_image_lora.py \\
  --pretrained_model_name_or_path=$MODEL_NAME \\
  --dataset_name=$DATASET_NAME --caption_column="en_text" \\
  --dataloader_num_workers=8 \\
  --resolution=512 --center_crop --random_flip \\
  --train_batch_size=1 \\
  --gradient_accumulation_steps=4 \\
  --max_train_steps=15000 \\
  --learning_rate=1e-04 \\
  --max_grad_norm=1 \\
  --lr_scheduler="cosine" --lr_warmup_steps=0 \\
  --output_dir=${OUTPUT_DIR} \\
  --push_to_hub \\
  --hub_model_id=${HUB_MODEL_ID} \\
  --report_to=wandb \\
  --checkpointing_steps=500 \\
  --validation_prompt="A pokemon with blue eyes." \\
  --seed=1337
"""

TUTORIAL_RECIPE = """\
# Imported from a command of diffusers' train_text_to_image_lora.py.
# What it did not set is as that script has it, not as lorad does.
name = "pokemon"

[model]
base = "stable-diffusion-v1-5/stable-diffusion-v1-5"

[data]
dataset_name = "svjack/pokemon-blip-captions-en-zh"
caption_column = "en_text"
caption_dropout = 0.0
random_flip = true

[buckets]
enable_bucket = false

[lora]
rank = 4
init_lora_weights = "gaussian"

[train]
max_train_steps = 15000
train_batch_size = 1
gradient_accumulation_steps = 4
resolution = 512
learning_rate = 0.0001
seed = 1337
mixed_precision = "fp16"

[objective]
snr_gamma = 0.0

[schedule]
lr_scheduler = "cosine"
lr_warmup_steps = 0

[sample]
prompts = [
  { prompt = "A pokemon with blue eyes.", seed = 1337 },
  { prompt = "A pokemon with blue eyes.", seed = 1338 },
  { prompt = "A pokemon with blue eyes.", seed = 1339 },
  { prompt = "A pokemon with blue eyes.", seed = 1340 },
]
num_inference_steps = 30

[output]
folder = "/sddata/finetune/lora/pokemon"

[log]
report_to = ["wandb"]
"""

TUTORIAL_REMARKS = """\
--dataloader_num_workers: pictures and captions are encoded once, before the first step, and kept.
--push_to_hub: a run does not upload; when it is done, `lorad lora push` does.
--hub_model_id: a run does not upload; when it is done, `lorad lora push` does.
--max_grad_norm: the script never clips, since its list is used up by then; here gradients are \
clipped at 1. train.max_grad_norm = 0 trains as there.
--validation_epochs: 1 there; lorad counts steps: set sample.every_n_steps (250 unless set).
--checkpoints_total_limit: not given, so all are kept there; here output.keep (2).
"""


def test_the_tutorials_script_gives_its_recipe(lorad: Lorad, work: Path) -> None:
    (work / "train.sh").write_text(TUTORIAL)
    ended = lorad("import", "train.sh")
    assert ended.stdout == TUTORIAL_RECIPE
    assert ended.stderr == TUTORIAL_REMARKS
    assert ended.returncode == 0
    assert parse_recipe(ended.stdout).train.max_train_steps == 15000
    assert lorad("import", TUTORIAL).stdout == ended.stdout, "as one argument it is the same"


def test_words_without_quotes_are_a_command_too(lorad: Lorad) -> None:
    words = [*shlex.split(BASE), "--validation_prompt", "a $cat; or 'dog'", "--rank", "8"]
    assert lorad("import", *words).stdout == lorad("import", shlex.join(words)).stdout
    recipe = parse_recipe(lorad("import", *words).stdout)
    assert recipe.lora.rank == 8
    assert recipe.sample.prompts[0] == Prompt(prompt="a $cat; or 'dog'", seed=1)


def recipe_of(command: str) -> Recipe:
    return parse_recipe(import_source(command).recipe)


def remark_of(imported: Imported, name: str) -> str:
    found = [line for line in imported.remarks if line.startswith(f"--{name}: ")]
    assert len(found) == 1, imported.remarks
    return found[0]


# Each of the script's 51 arguments: the words, then the recipe's key and value, or None where only
# a remark is due. Listed here by hand, from the script's own parser.
ARGUMENTS: list[tuple[str, str | None, Any]] = [
    ("--pretrained_model_name_or_path=x/y", "model.base", "x/y"),
    ("--revision=main", "model.revision", "main"),
    ("--variant=fp16", "model.variant", "fp16"),
    ("--dataset_name=x/y", "data.dataset_name", "x/y"),
    ("--dataset_config_name=big", "data.dataset_config_name", "big"),
    ("--train_data_dir=x", None, None),  # beside --dataset_name, which comes first
    ("--image_column=picture", "data.image_column", "picture"),
    ("--caption_column=en_text", "data.caption_column", "en_text"),
    ("--validation_prompt='a cat'", "sample.prompts", tuple(Prompt("a cat", seed=n)
                                                            for n in (1, 2, 3, 4))),
    ("--num_validation_images=2", None, None),
    ("--validation_epochs=3", None, None),
    ("--max_train_samples=10", "data.max_train_samples", 10),
    ("--output_dir=x/y", "output.folder", "x/y"),
    ("--cache_dir=x", None, None),
    ("--seed=3", "train.seed", 3),
    ("--resolution=256", "train.resolution", 256),
    ("--center_crop", "data.center_crop", True),
    ("--random_flip", "data.random_flip", True),
    ("--train_batch_size=3", "train.train_batch_size", 3),
    ("--num_train_epochs=7", "train.num_train_epochs", 7),
    ("--max_train_steps=9", "train.max_train_steps", 9),
    ("--gradient_accumulation_steps=4", "train.gradient_accumulation_steps", 4),
    ("--gradient_checkpointing", "train.gradient_checkpointing", True),
    ("--learning_rate=3e-5", "train.learning_rate", 3e-5),
    ("--scale_lr", "train.learning_rate", 1e-4 * 16),
    ("--lr_scheduler=linear", "schedule.lr_scheduler", "linear"),
    ("--lr_warmup_steps=20", None, None),  # the schedule is "constant"
    ("--snr_gamma=4", "objective.snr_gamma", 4.0),
    ("--use_8bit_adam", "optimizer.type", "adamw8bit"),
    ("--allow_tf32", None, None),
    ("--dataloader_num_workers=2", None, None),
    ("--adam_beta1=0.8", "optimizer.adam_beta1", 0.8),
    ("--adam_beta2=0.9", "optimizer.adam_beta2", 0.9),
    ("--adam_weight_decay=0", "optimizer.adam_weight_decay", 0.0),
    ("--adam_epsilon=1e-6", "optimizer.adam_epsilon", 1e-6),
    ("--max_grad_norm=0.5", "train.max_grad_norm", 0.5),
    ("--push_to_hub", None, None),
    ("--hub_token=hf_secret", None, None),
    ("--prediction_type=v_prediction", "objective.prediction_type", "v_prediction"),
    ("--hub_model_id=x/y", None, None),
    ("--logging_dir=x", None, None),
    ("--mixed_precision=bf16", "train.mixed_precision", "bf16"),
    ("--report_to=wandb", "log.report_to", ("wandb",)),
    ("--local_rank=0", None, None),
    ("--checkpointing_steps=50", "train.checkpointing_steps", 50),
    ("--checkpoints_total_limit=5", "output.keep", 5),
    ("--resume_from_checkpoint=latest", None, None),
    ("--enable_xformers_memory_efficient_attention", None, None),
    ("--noise_offset=0.1", "objective.noise_offset", 0.1),
    ("--rank=64", "lora.rank", 64),
    ("--image_interpolation_mode=bicubic", None, None),
]  # fmt: skip


def test_the_list_is_of_all_51() -> None:
    assert len({words.partition("=")[0] for words, _, _ in ARGUMENTS}) == 51


@pytest.mark.parametrize(("words", "key", "value"), ARGUMENTS)
def test_each_argument_lands_or_is_remarked(words: str, key: str | None, value: Any) -> None:
    before, after = import_source(BASE), import_source(f"{BASE} {words}")
    name = words.partition("=")[0].removeprefix("--")
    if key is None:
        remark = next(line for line in after.remarks if f"--{name}" in line.split(":")[0]
                      or f"the {_said(name)} is left out" in line)  # fmt: skip
        assert remark not in before.remarks
        assert "no such argument" not in remark
        return
    section, _, field = key.partition(".")
    table: Any = getattr(parse_recipe(after.recipe), section)
    found = getattr(table[0] if section == "data" else table, field)
    assert found == value
    assert after.recipe != before.recipe, "a value that was there before shows nothing"


def _said(name: str) -> str:
    return {"train_data_dir": "folder"}.get(name, name)


def test_what_was_not_said_is_as_the_script_has_it() -> None:
    recipe = recipe_of(BASE)
    assert recipe.name == "sd-model-finetuned-lora"
    assert recipe.output.folder == "sd-model-finetuned-lora"
    assert (recipe.train.learning_rate, recipe.train.train_batch_size) == (1e-4, 16)
    assert (recipe.train.num_train_epochs, recipe.train.max_train_steps) == (100, None)
    assert (recipe.train.resolution, recipe.train.mixed_precision) == (512, "no")
    assert (recipe.train.max_grad_norm, recipe.train.checkpointing_steps) == (1.0, 500)
    assert (recipe.lora.rank, recipe.lora.lora_alpha) == (4, 4)
    assert recipe.lora.init_lora_weights == "gaussian"
    assert recipe.lora.target_modules == "attention"
    assert recipe.schedule.lr_scheduler == "constant"
    assert recipe.objective.snr_gamma == 0
    assert recipe.objective.noise_offset == 0
    assert not recipe.buckets.enable_bucket
    (data,) = recipe.data
    assert (data.caption_dropout, data.center_crop, data.random_flip) == (0, False, False)
    assert data.caption_column is None  # looked for as `text` first
    assert recipe.sample.prompts == ()


def test_warm_up_of_other_schedules_is_the_scripts_500() -> None:
    assert recipe_of(f"{BASE} --lr_scheduler=linear").schedule.lr_warmup_steps == 500


@pytest.mark.parametrize(
    "launcher",
    [
        "accelerate launch --multi_gpu --num_processes 4 --mixed_precision fp16",
        "accelerate launch --mixed_precision=fp16 --num_processes=4 --dynamo_backend no",
        "torchrun --nproc_per_node=4",
    ],
)
def test_a_batch_is_over_all_processes(launcher: str) -> None:
    words = "--pretrained_model_name_or_path a --train_data_dir d --train_batch_size 2 --scale_lr"
    imported = import_source(f"{launcher} train_text_to_image_lora.py {words}")
    recipe = parse_recipe(imported.recipe)
    assert recipe.train.num_processes == 4
    assert recipe.train.train_batch_size == 8
    assert recipe.train.learning_rate == pytest.approx(1e-4 * 8)
    assert recipe.train.mixed_precision == ("no" if "torchrun" in launcher else "fp16")
    assert "2 for each of 4 processes is 8" in remark_of(imported, "train_batch_size")


def test_the_scripts_precision_comes_before_the_launchers() -> None:
    command = BASE.replace("launch", "launch --mixed_precision fp16")
    assert recipe_of(command).train.mixed_precision == "fp16"
    assert recipe_of(f"{command} --mixed_precision bf16").train.mixed_precision == "bf16"


@pytest.mark.parametrize(
    "words",
    [
        "--hub_token hf_secret",
        "--hub_token=hf_secret",
        "--push_to_hub hf_secret",
        "--hub_tokne hf_secret",
    ],
)
def test_a_token_is_never_printed(lorad: Lorad, words: str) -> None:
    ended = lorad("import", f"HF_TOKEN=hf_secret {BASE} {words}")
    assert ended.returncode == 0
    assert "hf_secret" not in ended.stdout + ended.stderr
    assert words.split()[0].split("=")[0] in ended.stderr


def test_an_unknown_argument_gets_its_nearest_name() -> None:
    imported = import_source(f"{BASE} --lerning_rate=1 --zzzz a b --rank=2 --max_train_st=7")
    assert remark_of(imported, "lerning_rate").endswith(" Did you mean --learning_rate?")
    assert remark_of(imported, "zzzz") == "--zzzz: the script has no such argument."
    recipe = parse_recipe(imported.recipe)
    assert recipe.lora.rank == 2
    assert recipe.train.learning_rate == 1e-4
    assert recipe.train.max_train_steps == 7, "what only one argument begins with, argparse takes"


def test_sdxl_has_its_own_defaults() -> None:
    recipe = recipe_of(
        "python train_text_to_image_lora_sdxl.py --pretrained_model_name_or_path=a/b "
        "--train_data_dir=p --pretrained_vae_model_name_or_path=madebyollin/sdxl-vae-fp16-fix "
        "--train_text_encoder --validation_prompt=x --num_validation_images=1"
    )
    assert recipe.train.resolution == 1024
    assert recipe.model.vae == "madebyollin/sdxl-vae-fp16-fix"
    assert recipe.lora.train_text_encoder
    assert recipe.train.text_encoder_lr is None
    assert (recipe.sample.num_inference_steps, recipe.sample.guidance_scale) == (50, 5.0)
    assert len(recipe.sample.prompts) == 1


DREAMBOOTH = (
    "accelerate launch train_dreambooth_lora{}.py --pretrained_model_name_or_path=a/b "
    "--instance_data_dir=dog --instance_prompt='a photo of sks dog' "
)


def test_dreambooth_with_prior_preservation() -> None:
    imported = import_source(
        DREAMBOOTH.format("") + "--with_prior_preservation --class_data_dir=dogs "
        "--class_prompt='a dog' --prior_loss_weight=0.5 --num_class_images=200"
    )
    recipe = parse_recipe(imported.recipe)
    own, regular = recipe.data
    assert (own.path, own.caption, own.is_reg) == ("dog", "a photo of sks dog", False)
    assert (regular.path, regular.caption, regular.is_reg) == ("dogs", "a dog", True)
    assert recipe.objective.prior_loss_weight == 0.5
    assert recipe.train.train_batch_size == 2 * 4
    assert recipe.train.learning_rate == 5e-4
    assert recipe.train.num_train_epochs == 1
    assert "no pictures are made" in remark_of(imported, "num_class_images")


def test_dreambooth_sdxl() -> None:
    recipe = recipe_of(
        DREAMBOOTH.format("_sdxl") + "--optimizer=prodigy --learning_rate=1 --use_dora --repeats=3 "
        "--train_text_encoder --prodigy_safeguard_warmup=''"
    )
    assert recipe.optimizer.type == "prodigy"
    assert recipe.optimizer.adam_weight_decay == 1e-4
    assert not recipe.optimizer.prodigy_safeguard_warmup
    assert recipe.lora.use_dora
    assert recipe.data[0].repeats == 3
    assert (recipe.train.learning_rate, recipe.train.text_encoder_lr) == (1.0, None)


def test_sd3() -> None:
    imported = import_source(
        DREAMBOOTH.format("_sd3") + "--lora_layers=attn.to_k,attn.to_q --lora_blocks=12,13 "
        "--weighting_scheme=mode --mode_scale=1.1 --precondition_outputs=0 --logit_mean -0.5 "
        "--cache_latents --upcast_before_saving"
    )
    recipe = parse_recipe(imported.recipe)
    assert recipe.model.max_sequence_length == 77
    assert recipe.lora.target_modules == (
        "transformer_blocks.12.attn.to_k",
        "transformer_blocks.12.attn.to_q",
        "transformer_blocks.13.attn.to_k",
        "transformer_blocks.13.attn.to_q",
    )
    objective = recipe.objective
    assert (objective.weighting_scheme, objective.mode_scale) == ("mode", 1.1)
    assert objective.logit_mean == 0.0
    assert (
        '--logit_mean: it has no effect: only weighting_scheme = "logit_normal" has it.'
        " It is left out." in imported.remarks
    )
    assert not objective.precondition_outputs
    assert recipe.train.train_batch_size == 4
    assert "snr_gamma" not in imported.recipe
    assert recipe_of(DREAMBOOTH.format("_sd3")).lora.target_modules == "attention"


def test_variables_are_the_files_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE", "secret")
    lines = ["A=x", 'B="$A y"', "ARGS='--rank 6 --seed 5'"]
    words = [BASE, '$ARGS --validation_prompt="$B ${C:-z}"', "--output_dir='$A' --variant=$OUTSIDE"]
    imported = import_source("\n".join([*lines, " ".join(words)]))
    recipe = parse_recipe(imported.recipe)
    assert (recipe.lora.rank, recipe.train.seed) == (6, 5)
    assert isinstance(recipe.sample.prompts[0], Prompt)
    assert recipe.sample.prompts[0].prompt == "x y z"
    assert recipe.output.folder == "$A"
    assert recipe.model.variant == "$OUTSIDE"
    assert "$OUTSIDE: nothing in it sets this variable, so it stays as it is." in imported.remarks


def test_a_scripts_other_commands_are_passed_over() -> None:
    text = (
        f"cd x && pip install -r a.txt; python prepare.py --rank 99 # it's done\n{BASE} --rank 5\n"
    )
    assert recipe_of(text).lora.rank == 5


def test_relative_paths_are_remarked() -> None:
    command = (
        f"{SCRIPT} --pretrained_model_name_or_path=a/b --train_data_dir={{}} --output_dir={{}}"
    )
    imported = import_source(command.format("pics", "/out"))
    assert [line for line in imported.remarks if line.startswith("pics: relative paths")]
    imported = import_source(command.format("/pics", "/out"))
    assert not [line for line in imported.remarks if "relative paths" in line]


def test_what_would_break_a_rule_is_changed_and_said() -> None:
    imported = import_source(
        f"{BASE} --resolution=500 --lr_warmup_steps=100 --checkpoints_total_limit=1 "
        "--output_dir='/a/My Best: LoRA!' --lr_scheduler=constant"
    )
    recipe = parse_recipe(imported.recipe)
    assert recipe.train.resolution == 496
    assert recipe.schedule.lr_warmup_steps is None
    assert recipe.output.keep == 2
    assert recipe.name == "My-Best-LoRA-"
    for name in ("resolution", "lr_warmup_steps", "checkpoints_total_limit"):
        assert remark_of(imported, name)


def test_no_pictures_are_a_remark_and_no_model_a_mistake() -> None:
    imported = import_source(f"{SCRIPT} --pretrained_model_name_or_path=a/b")
    assert parse_recipe(imported.recipe).data[0].path == "pictures"
    assert 'data.path: no picture set is named; "pictures" stands in its place.' in imported.remarks
    with pytest.raises(CannotImport, match="names no base model"):
        import_source(f"{SCRIPT} --dataset_name=a/b")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "The command line cannot be imported: it is empty."),
        (["  "], "The command line cannot be imported: it is empty."),
        (["a cat"], "The command line cannot be imported: it names no training script such as"),
        (["python train.py --x 1"], "The command line cannot be imported: train.py is not known"),
        ([f"{BASE} --seed='1"], "The command line cannot be imported: a quote in it does not end"),
        ([f"{BASE} --rank"], "The argument --rank cannot be imported: its value is missing."),
        ([f"{BASE} --rank=four"], "The argument --rank cannot be imported: `four` is no whole"),
        (
            [f"{BASE} --rank=0"],
            "The argument --rank cannot be imported: expected a whole number >=",
        ),
        ([f"{BASE} --learning_rate=nan"], "The argument --learning_rate cannot be imported: `nan`"),
        (["no.sh"], "no.sh cannot be imported: No such file or directory."),
        (["."], ". cannot be imported: Is a directory."),
        (["latin.sh"], "latin.sh cannot be imported: it is no text in UTF-8."),
        (["--config_file"], "`--config_file` needs a value."),
        (["--config_fil", "x"], "`--config_fil` means nothing here. Did you mean `--config_file`?"),
        (["--config_file", "a.toml", BASE], "This cannot be imported: say either a command or"),
    ],
)
def test_mistakes_are_sentences(lorad: Lorad, work: Path, words: list[str], sentence: str) -> None:
    (work / "latin.sh").write_bytes(b"\xff\xfe")
    ended = lorad("import", *words)
    assert ended.stderr.startswith(f"lorad: {sentence}"), ended.stderr
    assert ended.stderr.count("\n") == 1
    assert (ended.returncode, ended.stdout) == (2, "")


@given(st.text())
def test_any_text_comes_back_from_toml(text: str) -> None:
    whole = "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in text)
    written = write_value(text)
    assert tomllib.loads(f"a = {written}") == {"a": whole}
    assert written.isprintable()


@given(st.recursive(
    st.text() | st.booleans() | st.integers(-2**63, 2**63 - 1) | st.floats(allow_nan=False,
                                                                         allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b-c", "d_1"]), inner),
))  # fmt: skip
def test_any_value_comes_back_from_toml(value: Any) -> None:
    back = tomllib.loads(f"x = {write_value(value)}")["x"]
    assert back == _without_surrogates(value)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    return value


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1))
def test_a_hostile_prompt_arrives_as_it_is(prompt: str) -> None:
    recipe = recipe_of(shlex.join([*shlex.split(BASE), f"--validation_prompt={prompt}"]))
    assert recipe.sample.prompts[0] == Prompt(prompt=prompt, seed=1)


def test_a_recipe_on_a_terminal_cannot_steer_it(lorad: Lorad) -> None:
    ended = lorad("import", f"{BASE} --validation_prompt='\x1b]0;x\x07\x9b\u202e' --\x1b[31m")
    assert ended.returncode == 0
    for sign in "\x1b\x07\x9b\u202e":
        assert sign not in ended.stdout + ended.stderr


def test_an_imported_recipe_is_queued_like_any_other(lorad: Lorad, work: Path) -> None:
    (work / "a.toml").write_text(lorad("import", BASE).stdout)
    ended = lorad("add", "a.toml")
    assert "No daemon is running here" in ended.stderr
