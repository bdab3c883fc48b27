"""`lorad import` of kohya's commands, config files and dataset files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Lorad

from lorad.shared.errors import CannotImport
from lorad.shared.recipe import Prompt, Recipe, parse_recipe
from lorad.tui.imports import Imported, import_config, import_source
from lorad.tui.imports.kohya import ARGUMENTS

BASE = (
    "accelerate launch --num_cpu_threads_per_process 1 train_network.py "
    "--pretrained_model_name_or_path=model.safetensors --train_data_dir=d --network_dim=8 "
    "--resolution=512"
)

CONFIG = """
[model]
pretrained_model_name_or_path = "/models/base.safetensors"
vae = "/models/vae"
[folders]
output_dir = "/out"
output_name = "my cat"
[network]
network_module = "networks.lora"
network_dim = 32
network_alpha = 16
network_args = ["conv_dim=8", "conv_alpha=4"]
[training]
unet_lr = 1e-4
text_encoder_lr = [5e-5]
max_train_epochs = 10
train_batch_size = 2
mixed_precision = "bf16"
save_precision = "fp16"
seed = 42
optimizer_type = "AdamW8bit"
optimizer_args = ["weight_decay=0.1", "betas=0.9,0.99"]
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
min_snr_gamma = 5
noise_offset = 0.05
gradient_checkpointing = true
xformers = true
learning_rat = 1
"""

DATASET = """
[general]
shuffle_caption = true
keep_tokens = 1
caption_extension = ".txt"
enable_bucket = true
flip_aug = true
caption_dropout_rate = 0.1

[[datasets]]
resolution = 768
batch_size = 4
min_bucket_reso = 320
max_bucket_reso = 1024
keep_tokens = 2

  [[datasets.subsets]]
  image_dir = "/pics/cat"
  num_repeats = 10
  class_tokens = "sks cat"

  [[datasets.subsets]]
  image_dir = "/pics/extra"
  keep_tokens = 3
  flip_aug = false
  caption_prefix = "photo,"
  caption_tag_dropout_rate = 0.2
  random_crop = true
  color_aug = true

[[datasets]]
resolution = [512, 768]
batch_size = 1

  [[datasets.subsets]]
  image_dir = "/pics/reg"
  is_reg = true
  shuffle_caption = false
"""

EXPECTED = """\
# Imported from kohya's config file config.toml.
# What it did not set is as kohya's scripts have it, not as lorad does.
name = "my-cat"

[model]
base = "/models/base.safetensors"
vae = "/models/vae"

[[data]]
path = "/pics/cat"
caption_extension = ".txt"
caption = "sks cat"
repeats = 10
shuffle_caption = true
keep_tokens = 2
caption_dropout = 0.1
random_flip = true

[[data]]
path = "/pics/extra"
caption_extension = ".txt"
caption_prefix = "photo,"
shuffle_caption = true
keep_tokens = 3
caption_tag_dropout = 0.2
caption_dropout = 0.1
center_crop = false

[[data]]
path = "/pics/reg"
caption_extension = ".txt"
is_reg = true
caption_dropout = 0.1
random_flip = true

[buckets]
min_bucket_reso = 320
max_bucket_reso = 1024

[lora]
rank = 32
alpha = 16.0
target_modules = "full"
conv_rank = 8
conv_alpha = 4.0
train_text_encoder = true
text_encoder_target_modules = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]

[train]
num_train_epochs = 10
train_batch_size = 4
resolution = 768
learning_rate = 0.0001
text_encoder_lr = 5e-05
seed = 42
mixed_precision = "bf16"
gradient_checkpointing = true

[objective]
snr_gamma = 5.0
noise_offset = 0.05

[optimizer]
type = "adamw8bit"
adam_beta2 = 0.99
adam_weight_decay = 0.1

[schedule]
lr_scheduler = "cosine_with_restarts"
lr_warmup_steps = 0
lr_num_cycles = 3

[output]
folder = "/out"
save_dtype = "fp16"
"""

REMARKS = """\
learning_rat: kohya's scripts have no such argument; it is left out. Did you mean learning_rate?
color_aug: it has no counterpart: colours stay.
keep_tokens: without shuffle_caption no tag moves; it is left out.
resolution: the datasets differ in it; a recipe has one, that of the first: 768.
batch_size: the datasets differ in it; a recipe has one, that of the first: 4.
min_bucket_reso: the datasets differ in it; a recipe has one, that of the first: 320.
--xformers: lorad fits a run into memory by itself; train.gradient_checkpointing is there too.
"""


@pytest.fixture
def files(work: Path) -> Path:
    (work / "config.toml").write_text(CONFIG)
    (work / "data.toml").write_text(DATASET)
    return work


def test_a_config_file_and_a_dataset_file(lorad: Lorad, files: Path) -> None:
    ended = lorad("import", "--config_file", "config.toml", "--dataset_config", "data.toml")
    assert ended.stdout == EXPECTED
    assert ended.stderr == REMARKS
    assert ended.returncode == 0
    parse_recipe(ended.stdout)


def test_a_config_files_path_alone_is_enough(lorad: Lorad, files: Path) -> None:
    with (files / "config.toml").open("a") as file:
        file.write('[data]\ndataset_config = "data.toml"\n')
    assert lorad("import", "config.toml").stdout == EXPECTED


def test_the_command_line_comes_before_its_config_file(lorad: Lorad, files: Path) -> None:
    command = "accelerate launch train_network.py --config_file=config --unet_lr=3e-4 --seed 1"
    recipe = parse_recipe(lorad("import", command).stdout)
    assert (recipe.train.learning_rate, recipe.train.seed) == (3e-4, 1)
    assert recipe.lora.rank == 32
    assert recipe.train.train_batch_size == 2, "without a dataset file it is the argument's"


def recipe_of(words: str = "") -> Recipe:
    return parse_recipe(import_source(f"{BASE} {words}").recipe)


def remark_of(imported: Imported, what: str) -> str:
    found = [line for line in imported.remarks if line.startswith(f"{what}: ")]
    assert len(found) == 1, imported.remarks
    return found[0]


def test_what_was_not_said_is_as_kohya_has_it() -> None:
    recipe = recipe_of()
    assert recipe.train.learning_rate == 2e-6
    assert recipe.train.max_train_steps == 1600
    assert recipe.train.train_batch_size == 1
    assert recipe.train.mixed_precision == "no"
    assert recipe.lora.lora_alpha == 1
    assert recipe.lora.init_lora_weights == "default"
    assert recipe.lora.target_modules == "full"
    assert recipe.lora.train_text_encoder
    assert recipe.lora.text_encoder_target_modules[-2:] == ("fc1", "fc2")
    assert recipe.schedule.lr_scheduler == "constant"
    assert recipe.objective.snr_gamma == 0
    assert not recipe.buckets.enable_bucket
    (data,) = recipe.data
    assert (data.caption_extension, data.caption_dropout) == (".caption", 0)
    assert data.center_crop


SAMPLES: dict[str, Any] = {
    "caption_extension": ".cap",
    "config_file": None,  # read before all others
    "dataset_config": None,
    "huber_c": "0.2 --loss_type=huber",
    "huber_schedule": "constant --loss_type=huber",
    "log_with": "wandb",
    "loss_type": "l1",
    "lr_decay_steps": "7 --lr_scheduler=warmup_stable_decay",
    "lr_scheduler": "cosine",
    "lr_scheduler_min_lr_ratio": "0.3 --lr_scheduler=cosine_with_min_lr",
    "lr_scheduler_num_cycles": "7 --lr_scheduler=cosine_with_restarts",
    "lr_scheduler_power": "2 --lr_scheduler=polynomial",
    "max_bucket_reso": "2048 --enable_bucket",
    "min_bucket_reso": "192 --enable_bucket",
    "bucket_reso_steps": "32 --enable_bucket",
    "bucket_no_upscale": "--enable_bucket",
    "conditioning_data_dir": "m --masked_loss",
    "masked_loss": "--conditioning_data_dir=m",
    "mixed_precision": "fp16",
    "network_args": "conv_dim=4",
    "optimizer_args": "weight_decay=0.3",
    "optimizer_type": "Lion",
    "resolution": "640",
    "save_precision": "fp16",
    "text_encoder_lr": "0.3",
    "training_shift": "2 --network_module=networks.lora_sd3",
    "validate_every_n_steps": "7 --validation_split=0.1",
    "vae": "v",
    "weighting_scheme": "mode --network_module=networks.lora_sd3",
    "sample_every_n_steps": "7 --sample_prompts=none.txt",
}
_KINDS = {"switch": "", "text": "x", "whole": "7", "number": "0.3", "steps": "7", "list": "x"}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_nothing_is_dropped_in_silence(name: str) -> None:
    sample = SAMPLES.get(name, _KINDS[ARGUMENTS[name].kind])
    if sample is None:
        return
    switch = ARGUMENTS[name].kind == "switch"
    words = f"--{name} {sample}" if switch else f"--{name}={sample}"
    before, alone = import_source(BASE), import_source(f"{BASE} {words.split()[0]}")
    assert (alone.recipe, alone.remarks) != (before.recipe, before.remarks)
    others = " ".join(word for word in words.split()[1:] if word.startswith("--"))
    before, after = import_source(f"{BASE} {others}"), import_source(f"{BASE} {words}")
    assert (after.recipe, after.remarks) != (before.recipe, before.remarks)


def test_folders_with_repeats_in_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("d/5_sks cat", "d/10_dog", "d/notes", "d/0_none", "reg/1_cat"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    imported = import_source(f"{BASE} --reg_data_dir=reg --caption_extension=.txt")
    recipe = parse_recipe(imported.recipe)
    assert [(data.path, data.repeats, data.caption, data.is_reg) for data in recipe.data] == [
        ("d/5_sks cat", 5, "sks cat", False),
        ("d/10_dog", 10, "dog", False),
        ("reg/1_cat", 1, "cat", True),
    ]
    assert not [line for line in imported.remarks if "5_cat" in line]


def test_a_folder_that_is_not_here_is_one_set() -> None:
    imported = import_source(BASE)
    assert parse_recipe(imported.recipe).data[0].path == "d"
    assert "no folders such as `5_cat` in d here" in remark_of(imported, "--train_data_dir")


PROMPTS = """\
# a comment
a cat, masterpiece --n blurry, bad --w 515 --h 768 --d 7 --l 6.5 --s 28

a "dog" --ss euler_a
"""


def test_a_prompt_file(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(PROMPTS)
    imported = import_source(f"{BASE} --sample_prompts={tmp_path / 'p.txt'} --sample_at_first")
    sample = parse_recipe(imported.recipe).sample
    assert sample.prompts == (
        Prompt("a cat, masterpiece", negative_prompt="blurry, bad", width=512, height=768, seed=7,
               guidance_scale=6.5, num_inference_steps=28),
        Prompt('a "dog"'),
    )  # fmt: skip
    assert sample.num_inference_steps == 30
    assert "`--ss euler_a` has no counterpart" in remark_of(imported, "--sample_prompts")


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("p.toml", '[prompt]\nwidth = 64\n[[prompt.subset]]\nprompt = "a"\nseed = 3\n', True),
        ("p.json", '["a --w 64 --d 3"]', True),
        ("p.json", '{"a"', False),
        ("p.toml", "[prompts]", False),
        ("p.txt", None, False),
    ],
)
def test_prompt_files_of_other_forms(
    tmp_path: Path, name: str, text: str | None, read: bool
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    imported = import_source(f"{BASE} --sample_prompts={tmp_path / name}")
    prompts = parse_recipe(imported.recipe).sample.prompts
    assert prompts == ((Prompt("a", width=64, seed=3),) if read else ())
    if not read:
        assert "was not read" in remark_of(imported, "--sample_prompts")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--optimizer_type=Prodigy", ("prodigy", 0.0)),
        ("--optimizer_type=Lion", ("lion", 0.0)),
        ("--optimizer_type=PagedAdamW8bit", ("adamw8bit", 0.01)),
        ("--optimizer_type=AdamWScheduleFree --lr_scheduler=cosine", ("schedulefree", 0.0)),
        ("--optimizer_type=DAdaptAdam", ("prodigy", 0.0)),
        ("--optimizer_type=prodigyopt.Prodigy --optimizer_args weight_decay=0.2", ("prodigy", 0.2)),
        ("--optimizer_type=CAME", ("adamw", 0.01)),
        ("--use_8bit_adam", ("adamw8bit", 0.01)),
        ("--use_lion_optimizer", ("lion", 0.0)),
    ],
)
def test_optimizers_with_their_libraries_defaults(words: str, expected: tuple[str, float]) -> None:
    optimizer = recipe_of(words).optimizer
    assert (optimizer.type, optimizer.adam_weight_decay) == expected


def test_prodigys_arguments() -> None:
    optimizer = recipe_of(
        '--optimizer_type=Prodigy --optimizer_args "decouple=False" "use_bias_correction=True" '
        '"safeguard_warmup=True" "d_coef=2" "betas=(0.9, 0.99)" "beta3=0.98" "eps=1e-7"'
    ).optimizer
    assert not optimizer.prodigy_decouple
    assert optimizer.prodigy_use_bias_correction
    assert optimizer.prodigy_safeguard_warmup
    assert (optimizer.prodigy_d_coef, optimizer.prodigy_beta3) == (2, 0.98)
    assert (optimizer.adam_beta2, optimizer.adam_epsilon) == (0.99, 1e-7)
    plain = recipe_of("--optimizer_type=Prodigy").optimizer
    assert not plain.prodigy_use_bias_correction
    assert not plain.prodigy_safeguard_warmup


@pytest.mark.parametrize(
    ("words", "name", "warmup"),
    [
        ("--lr_scheduler=cosine --lr_warmup_steps=0.1", "cosine", 160),
        ("--lr_scheduler=cosine --lr_warmup_steps=5%", "cosine", 80),
        ("--lr_scheduler=cosine --lr_warmup_steps=100", "cosine", 100),
        ("--lr_scheduler=cosine", "cosine", 0),
        ("--lr_scheduler=cosine --lr_warmup_steps=0.1 --max_train_epochs=3", "cosine", None),
        ("--lr_warmup_steps=10", "constant_with_warmup", 10),
        ("--lr_scheduler=inverse_sqrt", "constant", None),
        ("--lr_scheduler=warmup_stable_decay --lr_decay_steps=0.5", "warmup_stable_decay", 0),
    ],
)
def test_schedules(words: str, name: str, warmup: int | None) -> None:
    schedule = recipe_of(words).schedule
    assert (schedule.lr_scheduler, schedule.lr_warmup_steps) == (name, warmup)
    if name == "warmup_stable_decay":
        assert (schedule.lr_decay_steps, schedule.min_lr_ratio) == (800, 0)


def test_text_encoders() -> None:
    assert not recipe_of("--network_train_unet_only").lora.train_text_encoder
    assert not recipe_of("--text_encoder_lr=0").lora.train_text_encoder
    train = recipe_of("--unet_lr=1e-4 --text_encoder_lr 1e-5 2e-5").train
    assert (train.learning_rate, train.text_encoder_lr) == (1e-4, 1e-5)
    train = recipe_of("--unet_lr=1e-4 --learning_rate=3e-5").train
    assert (train.learning_rate, train.text_encoder_lr) == (1e-4, 3e-5)


def test_lycoris() -> None:
    lora = recipe_of(
        "--network_alpha=4 --network_module=lycoris.kohya --network_args algo=lokr factor=8 "
        "dora_wd=True conv_dim=4 conv_alpha=1"
    ).lora
    assert (lora.type, lora.decompose_factor, lora.use_dora) == ("lokr", 8, False)
    assert (lora.target_modules, lora.conv_rank, lora.conv_alpha) == ("full", 4, 1)
    lora = recipe_of("--network_module=lycoris.kohya --network_args algo=locon dora_wd=True").lora
    assert (lora.type, lora.use_dora, lora.conv_rank) == ("lora", True, 8)
    lora = recipe_of("--network_module=lycoris.kohya --network_args preset=attn-mlp").lora
    assert (lora.target_modules, lora.conv_rank) == ("attention+ff", None)
    imported = import_source(f"{BASE} --network_module=lycoris.kohya --network_args algo=boft")
    assert "lorad does not know `boft`" in remark_of(imported, "--network_args algo")


def test_losses() -> None:
    objective = recipe_of(
        "--debiased_estimation_loss --v_parameterization --ip_noise_gamma=0.1 "
        "--zero_terminal_snr --reg_data_dir=r --prior_loss_weight=0.5"
    ).objective
    assert (objective.snr_weighting, objective.prediction_type) == ("debiased", "v_prediction")
    assert (objective.input_perturbation, objective.prior_loss_weight) == (0.1, 0.5)
    assert objective.rescale_betas_zero_snr
    objective = recipe_of("--loss_type=smooth_l1 --huber_c=0.2").objective
    assert (objective.loss_type, objective.huber_c) == ("smooth_l1", 0.2)


def test_sd3() -> None:
    command = BASE.replace("train_network", "sd3_train_network")
    imported = import_source(f"{command} --network_train_unet_only --t5xxl_max_token_length=128")
    recipe = parse_recipe(imported.recipe)
    assert recipe.objective.weighting_scheme == "none"
    assert recipe.objective.shift == 1.0
    assert recipe.model.max_sequence_length == 128
    assert "snr_gamma" not in imported.recipe


def test_several_processes_and_the_launchers_precision() -> None:
    command = BASE.replace("launch", "launch --multi_gpu --num_processes=2 --mixed_precision=bf16")
    recipe = parse_recipe(import_source(f"{command} --train_batch_size=3").recipe)
    assert (recipe.train.train_batch_size, recipe.train.num_processes) == (6, 2)
    assert recipe.train.mixed_precision == "bf16"


@pytest.mark.parametrize(
    ("resolution", "side"), [("512", 512), ("512,768", 624), ("1024,1024", 1024), ("700", 704)]
)
def test_resolutions(resolution: str, side: int) -> None:
    command = BASE.replace("--resolution=512", f"--resolution={resolution}")
    imported = import_source(command)
    assert parse_recipe(imported.recipe).train.resolution == side
    said = [line for line in imported.remarks if line.startswith("resolution: ")]
    assert bool(said) == (resolution in ("512,768", "700"))


def test_masks(tmp_path: Path) -> None:
    recipe = recipe_of("--masked_loss --conditioning_data_dir=m")
    assert recipe.data[0].mask_path == "m"
    assert recipe_of("--alpha_mask").data[0].alpha_mask
    (tmp_path / "d.toml").write_text(
        '[[datasets]]\nresolution = 512\n[[datasets.subsets]]\nimage_dir = "/a"\n'
        'conditioning_data_dir = "/m"\n'
    )
    command = f"{BASE} --dataset_config={shlex.quote(str(tmp_path / 'd.toml'))}"
    assert parse_recipe(import_source(f"{command} --masked_loss").recipe).data[0].mask_path == "/m"
    assert parse_recipe(import_source(command).recipe).data[0].mask_path is None


def test_secrets_are_never_printed(lorad: Lorad) -> None:
    ended = lorad("import", f"{BASE} --huggingface_token=hf_secret --wandb_api_key hf_secret")
    assert ended.returncode == 0
    assert "hf_secret" not in ended.stdout + ended.stderr
    assert "--wandb_api_key: its value is left out" in ended.stderr


@pytest.mark.parametrize(
    ("config", "dataset", "sentence"),
    [
        ("x = [", None, "a.toml cannot be imported: it is not valid TOML"),
        ("[tool]\nx = 1", None, "a.toml cannot be imported: it is no config file of kohya's."),
        (
            'name = "a"\n[data]\npath = "p"\n[train]\nseed = 1',
            None,
            "a.toml cannot be imported: it is no config file of kohya's, but perhaps a recipe",
        ),
        (DATASET, None, "a.toml cannot be imported: it is a dataset file; say `--dataset_config`"),
        ("network_dim = 4", None, "This cannot be imported: it names no base model"),
        ("network_dim = true", None, "The argument --network_dim cannot be imported: `True` is no"),
        ("network_dim = 4\nseed = []", None, "The argument --seed cannot be imported: `[]` is no"),
        ('network_dim = "x"', None, "The argument --network_dim cannot be imported: `x` is no"),
        ("xformers = 3", None, "The argument --xformers cannot be imported: `3` is no true or"),
        ("network_dim = 4", "a = 1", "The dataset file cannot be imported: it has no [[datasets]]"),
        (
            "network_dim = 4",
            "[[datasets]]",
            "The dataset file cannot be imported: it has no [[data",
        ),
        ("network_dim = 4", "general = 3", "The dataset file cannot be imported: `general` is no"),
        (
            'network_dim = 4\noptimizer_args = ["weight_decay"]',
            None,
            "The argument --optimizer_args cannot be imported: `weight_decay` is no key=value",
        ),
        (
            'network_dim = 4\noptimizer_args = ["weight_decay=exit()"]',
            None,
            "The argument --optimizer_args cannot be imported: `exit()` is no value for",
        ),
        ('network_dim = 4\nresolution = "a"', None, "The argument --resolution cannot be imported"),
    ],
)
def test_mistakes_are_sentences(
    lorad: Lorad, work: Path, config: str, dataset: str | None, sentence: str
) -> None:
    (work / "a.toml").write_text(config)
    words = ["import", "--config_file", "a.toml"]
    if dataset is not None:
        (work / "d.toml").write_text(dataset)
        words += ["--dataset_config", "d.toml"]
    ended = lorad(*words)
    assert ended.stderr.splitlines()[-1].startswith(f"lorad: {sentence}"), ended.stderr
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_dataset_file_alone_lacks_a_model(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(DATASET)
    with pytest.raises(CannotImport, match="names no base model"):
        import_config(None, str(tmp_path / "d.toml"))


def test_what_a_recipe_refuses_is_left_out_with_a_remark() -> None:
    """kohya puts up with a smallest bucket above the resolution, and with idle numbers."""
    imported = import_source(
        BASE + " --resolution=128 --enable_bucket --min_bucket_reso=256 --max_bucket_reso=512 "
        "--optimizer_type=prodigy --learning_rate=1e-4 --max_train_steps=10 --lr_warmup_steps=10 "
        "--lr_scheduler=cosine --prior_loss_weight=0.5"
    )
    recipe = parse_recipe(imported.recipe)
    assert recipe.buckets.min_bucket_reso is None
    assert recipe.train.learning_rate == 1.0
    assert recipe.schedule.lr_warmup_steps is None
    said = "\n".join(imported.remarks)
    for sentence in ("more than train.resolution", "1.0 is written", "would be warm-up", "is_reg"):
        assert sentence in said


TOKEN = "hf_notARealOneAtAll"


@pytest.mark.parametrize(
    "words",
    [
        f"--seed={TOKEN}",
        f"--network_args {TOKEN}",
        f"--optimizer_args betas={TOKEN}(",
        f"--save_precision={TOKEN}",
        f"--resolution=1,2,{TOKEN}",
        f"--max_train_steps={'x' * 30}",
    ],
)
def test_a_token_in_the_wrong_place_is_not_printed(words: str) -> None:
    with pytest.raises(CannotImport, match="its value is n") as caught:
        import_source(f"{BASE} {words}")
    assert TOKEN not in str(caught.value)
    assert "xxxx" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        f"--optimizer_type={TOKEN}",
        f"--lr_scheduler={TOKEN}",
        f"--network_module={TOKEN}",
        f"--hub_token={TOKEN}",
        f"--caption_extension={TOKEN}",
        f"--huber_schedule={TOKEN} --loss_type=huber",
        f"--network_module=lycoris.kohya --network_args algo={TOKEN} preset={TOKEN}",
    ],
)
def test_a_token_is_in_no_remark(words: str) -> None:
    imported = import_source(f"{BASE} {words}")
    assert TOKEN not in "".join(imported.remarks) + imported.recipe


def test_a_variable_cannot_grow_without_end() -> None:
    lines = ["A=xxxxxxxxxx", *['A="$A$A"'] * 40, f"{BASE} --output_name=$A"]
    with pytest.raises(CannotImport, match=r"The variable \$A .* beyond 1,000,000 characters"):
        import_source("\n".join(lines))


def test_prompts_in_a_thousand_brackets(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text("[" * 100_000)
    imported = import_source(f"{BASE} --sample_prompts={path}")
    assert "it is not of kohya's form" in remark_of(imported, "--sample_prompts")


def test_a_files_name_stays_in_its_comment(tmp_path: Path) -> None:
    path = tmp_path / "a\nname = 1.toml"
    path.write_text(CONFIG)
    assert parse_recipe(import_config(str(path), None).recipe).name == "my-cat"
