"""What a LoRA file tells of itself: kohya's `ss_*` entries and modelspec's, all of them strings.

Which of them programs read is in sd-scripts (`train_network.py`, `library/sai_model_spec.py`) and
Forge (`extensions-builtin/sd_forge_lora/network.py`).
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lorad.daemon.training.data.buckets import Bucket
from lorad.daemon.training.families.base import Diffusion, Family
from lorad.shared.recipe import Lora, Recipe

THUMBNAIL = 256
OPTIMIZERS = {
    "adamw": "torch.optim.AdamW",
    "adamw8bit": "bitsandbytes.optim.AdamW8bit",
    "adafactor": "transformers.optimization.Adafactor",
    "prodigy": "prodigyopt.Prodigy",
    "schedulefree": "schedulefree.AdamWScheduleFree",
    "lion": "lion_pytorch.Lion",
}


@dataclass(frozen=True)
class Block:
    """One `[[data]]` of the recipe, as it was found."""

    pictures: int
    tags: dict[str, int]
    """How often each separated part of a caption occurs."""


@dataclass(frozen=True)
class About:
    """What the metadata tell of a run besides its recipe."""

    pictures: int
    tags: dict[str, int]
    """Over all data."""
    precision: str
    """`no`, `fp16` or `bf16`."""
    started: float
    """Seconds since the epoch."""
    blocks: tuple[Block, ...] = ()
    """In the order of `recipe.data`; without them all pictures count as the first one's."""
    buckets: tuple[Bucket, ...] = ()
    """Without them there is one, the resolution's square."""


def metadata(family: Family, recipe: Recipe, step: int, about: About) -> dict[str, str]:
    """All entries but the hashes and the thumbnail, which depend on the files."""
    values = (
        _network(family, recipe)
        | _data(recipe, about)
        | _training(family, recipe, step, about)
        | _modelspec(family, recipe)
    )
    return {name: str(value) for name, value in values.items() if value is not None}


def trigger_phrase(recipe: Recipe) -> str:
    """What to write in a prompt: the output's, else the trigger words of the data."""
    words = dict.fromkeys(data.trigger_word for data in recipe.data if data.trigger_word)
    return recipe.output.trigger_phrase or ", ".join(words)


def thumbnail(picture: Image.Image) -> str:
    """A small JPEG as a data URL, as modelspec wants it."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    out = io.BytesIO()
    small.convert("RGB").save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def base_name(base: str) -> str:
    """The model's own name: no path of the user's goes into a file."""
    return Path(base).name


def _network(family: Family, recipe: Recipe) -> dict[str, object]:
    lora = recipe.lora
    module, arguments = _module(lora, family.name)
    return {
        "ss_output_name": recipe.name,
        "ss_sd_model_name": base_name(family.base),
        "ss_base_model_version": family.base_model_version,
        "ss_v2": family.name == "sd2",
        "ss_network_module": module,
        "ss_network_dim": lora.rank,
        "ss_network_alpha": float(lora.lora_alpha),
        "ss_network_args": json.dumps(arguments),
        "ss_network_dropout": lora.dropout or None,
    }


def _module(lora: Lora, family: str) -> tuple[str, dict[str, str]]:
    """The module of kohya's that makes such a network, and its arguments."""
    arguments: dict[str, str] = {}
    trained = [lora.target_modules] if isinstance(lora.target_modules, str) else lora.target_modules
    if lora.conv_rank is not None:
        arguments = {
            "conv_dim": str(lora.conv_rank),
            "conv_alpha": str(float(lora.conv_alpha or lora.conv_rank)),
        }
    elif any("conv" in target for target in trained):
        arguments = {"conv_dim": str(lora.rank), "conv_alpha": str(float(lora.lora_alpha))}
    if lora.use_rslora:
        arguments["rs_lora"] = "True"
    if lora.type == "lora" and not lora.use_dora:
        return ("networks.lora_sd3" if family == "sd3" else "networks.lora"), arguments
    arguments["algo"] = lora.type
    if lora.use_dora:
        arguments |= {"dora_wd": "True", "wd_on_out": "True"}
    if lora.type == "lokr":
        arguments["factor"] = str(lora.decompose_factor)
    return "lycoris.kohya", arguments


def _data(recipe: Recipe, about: About) -> dict[str, object]:
    side = recipe.train.resolution
    blocks = about.blocks or (Block(about.pictures, about.tags),)
    names = _block_names(data.source for data in recipe.data[: len(blocks)])
    buckets = about.buckets or (Bucket(side, side, about.pictures),)
    directories = {
        name: {"n_repeats": data.repeats, "img_count": block.pictures}
        for name, data, block in zip(names, recipe.data, blocks, strict=False)
    }
    regular = [b.pictures for b, data in zip(blocks, recipe.data, strict=False) if data.is_reg]
    return {
        "ss_num_train_images": about.pictures - sum(regular),
        "ss_num_reg_images": sum(regular),
        "ss_dataset_dirs": json.dumps(directories),
        "ss_tag_frequency": json.dumps(
            {name: block.tags for name, block in zip(names, blocks, strict=True)}
        ),
        "ss_enable_bucket": recipe.buckets.enable_bucket,
        "ss_bucket_no_upscale": recipe.buckets.bucket_no_upscale,
        "ss_bucket_info": json.dumps(
            {
                "buckets": {
                    str(index): {
                        "resolution": [bucket.width, bucket.height],
                        "count": bucket.pictures,
                    }
                    for index, bucket in enumerate(buckets)
                }
            }
        ),
        "ss_resolution": f"({side}, {side})",
        "ss_caption_dropout_rate": max(data.caption_dropout for data in recipe.data),
        "ss_shuffle_caption": any(data.shuffle_caption for data in recipe.data),
        "ss_keep_tokens": max(data.keep_tokens for data in recipe.data),
        "ss_random_crop": any(not data.center_crop for data in recipe.data),
        "ss_flip_aug": any(data.random_flip for data in recipe.data),
    }


def _training(family: Family, recipe: Recipe, step: int, about: About) -> dict[str, object]:
    train, objective = recipe.train, recipe.objective
    weighting = objective.snr_weighting if isinstance(family.process, Diffusion) else ""
    return {
        "ss_training_started_at": about.started,
        "ss_training_finished_at": time.time(),
        "ss_learning_rate": train.learning_rate,
        "ss_unet_lr": train.learning_rate,
        "ss_text_encoder_lr": _text_lr(recipe),
        "ss_lr_scheduler": recipe.schedule.lr_scheduler,
        "ss_lr_warmup_steps": recipe.schedule.lr_warmup_steps,
        "ss_optimizer": OPTIMIZERS[recipe.optimizer.type],
        "ss_batch_size_per_device": train.train_batch_size,
        "ss_gradient_accumulation_steps": train.gradient_accumulation_steps,
        "ss_gradient_checkpointing": train.gradient_checkpointing,
        "ss_max_grad_norm": train.max_grad_norm,
        "ss_max_train_steps": train.max_train_steps,
        "ss_num_epochs": train.num_train_epochs,
        "ss_steps": step,
        "ss_seed": train.seed,
        "ss_mixed_precision": about.precision,
        "ss_min_snr_gamma": (objective.snr_gamma or None) if weighting == "min_snr" else None,
        "ss_debiased_estimation": weighting == "debiased",
        "ss_noise_offset": objective.noise_offset or None,
        "ss_ip_noise_gamma": objective.input_perturbation or None,
        "ss_zero_terminal_snr": objective.rescale_betas_zero_snr,
        "ss_loss_type": objective.loss_type,
        "ss_huber_c": objective.huber_c if objective.loss_type != "l2" else None,
        "ss_prior_loss_weight": objective.prior_loss_weight,
    }


def _modelspec(family: Family, recipe: Recipe) -> dict[str, object]:
    side = recipe.train.resolution
    prediction = None  # modelspec has no word for flow matching
    if isinstance(family.process, Diffusion):
        trained = recipe.objective.prediction_type or family.process.prediction_type
        prediction = {"epsilon": "epsilon", "v_prediction": "v"}[trained]
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{family.architecture}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": recipe.name,
        "modelspec.resolution": f"{side}x{side}",
        "modelspec.prediction_type": prediction,
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "modelspec.trigger_phrase": trigger_phrase(recipe) or None,
    }


def _text_lr(recipe: Recipe) -> float | None:
    if not recipe.lora.train_text_encoder:
        return None
    return recipe.train.text_encoder_lr or recipe.train.learning_rate


def _block_names(sources: Iterable[str]) -> list[str]:
    """The last part of each path, told apart where several are alike."""
    names: list[str] = []
    for source in sources:
        name = base_name(source) or "pictures"
        names.append(name if name not in names else f"{name} {names.count(name) + len(names)}")
    return names
