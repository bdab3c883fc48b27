"""kohya's adapter, optimizer and schedule.

From kohya-ss/sd-scripts (networks/lora.py, library/train_util.py: get_optimizer,
get_scheduler_fix) and KohakuBlueleaf/LyCORIS (lycoris/kohya.py).
"""

from __future__ import annotations

import ast
from typing import Any

from lorad.shared.errors import CannotImport
from lorad.tui.imports.arguments import Arguments, convert
from lorad.tui.imports.draft import Draft, told

TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
PRESETS = {"full": "full", "attn-mlp": "attention+ff", "attn-only": "attention"}
"""LyCORIS's presets by lorad's names."""

_OPTIMIZERS = {
    "adamw": "adamw", "adamw8bit": "adamw8bit", "pagedadamw": "adamw", "pagedadamw32bit": "adamw",
    "pagedadamw8bit": "adamw8bit", "lion": "lion", "lion8bit": "lion", "pagedlion8bit": "lion",
    "adafactor": "adafactor", "prodigy": "prodigy", "adamwschedulefree": "schedulefree",
}  # fmt: skip
_OPTIMIZER_DEFAULTS: dict[str, dict[str, Any]] = {
    "prodigy": {"adam_weight_decay": 0.0, "prodigy_use_bias_correction": False,
                "prodigy_safeguard_warmup": False},
    "lion": {"adam_beta2": 0.99, "adam_weight_decay": 0.0},
    "schedulefree": {"adam_weight_decay": 0.0},
    "adafactor": {"adam_weight_decay": 0.0},
}  # fmt: skip
"""What the libraries' own defaults are where they differ from lorad's."""
_OPTIMIZER_ARGUMENTS = {
    "weight_decay": "adam_weight_decay", "eps": "adam_epsilon", "beta3": "prodigy_beta3",
    "decouple": "prodigy_decouple", "use_bias_correction": "prodigy_use_bias_correction",
    "safeguard_warmup": "prodigy_safeguard_warmup", "d_coef": "prodigy_d_coef",
}  # fmt: skip
_ADAFACTOR_OFF = ("relative_step", "scale_parameter", "warmup_init")
"""What lorad's Adafactor has not, as kohya's own advice."""
_SCHEDULERS = frozenset({
    "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial",
    "cosine_with_min_lr", "warmup_stable_decay",
})  # fmt: skip


def pairs(words: list[str] | None, name: str) -> dict[str, str]:
    """`key=value` words as a dict.

    Raises:
        CannotImport: one is none.
    """
    found = {}
    for word in words or []:
        key, equals, value = word.partition("=")
        if not equals:
            raise CannotImport(what=f"The argument --{name}", why=f"{told(word)} is no key=value")
        found[key.strip()] = value.strip()
    return found


def land_network(arguments: Arguments, draft: Draft) -> None:
    """Rank, alpha, kind and layers of the adapter."""
    extra = pairs(arguments["network_args"], "network_args")
    module = arguments["network_module"]
    rank = arguments["network_dim"] or 4
    alpha = arguments["network_alpha"] or float(rank)  # kohya takes 0 as the rank
    draft.put("lora.rank", rank, "--network_dim")
    if alpha != rank:
        draft.put("lora.alpha", alpha, "--network_alpha")
    if "network_alpha" not in arguments.given and alpha != rank:
        draft.remark(
            "--network_alpha", f"kohya's default 1 scales the update by 1/{rank}, here as there."
        )
    if module.startswith("lycoris"):
        _land_lycoris(extra, rank, alpha, draft)
    else:
        _land_plain(module, extra, draft)
    for key in ("dropout", "rank_dropout"):
        if key in extra:
            draft.put(
                "lora.dropout", convert(key, "number", extra.pop(key)), f"--network_args {key}"
            )
    for key in extra:
        draft.remark(f"--network_args {key}", "it has no counterpart; it is left out.")


def _land_plain(module: str, extra: dict[str, str], draft: Draft) -> None:
    # Every linear layer and 1x1 convolution of the transformers.
    draft.put("lora.target_modules", "full")
    if module not in ("networks.lora", "networks.lora_sd3"):
        draft.remark(
            "--network_module", f"lorad does not know {told(module)}; a plain LoRA is trained."
        )
    if "conv_dim" in extra:
        _land_convolutions(extra, convert("conv_dim", "whole", extra["conv_dim"]), 1.0, draft)
    extra.pop("conv_dim", None)
    extra.pop("conv_alpha", None)


def _land_lycoris(extra: dict[str, str], rank: int, alpha: float, draft: Draft) -> None:
    """LyCORIS adapts convolutions too, unless its preset is without them."""
    algo = extra.pop("algo", "lora").lower()
    kind = {"lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr"}.get(algo)
    if kind is None:
        draft.remark(
            "--network_args algo", f"lorad does not know {told(algo)}; a plain LoRA is trained."
        )
    draft.put("lora.type", kind or "lora")
    preset = extra.pop("preset", "full")
    if preset not in PRESETS:
        draft.remark("--network_args preset", f'{told(preset)} is none; "full" is written.')
    draft.put("lora.target_modules", PRESETS.get(preset, "full"))
    if PRESETS.get(preset, "full") == "full":
        dim = convert("conv_dim", "whole", extra.get("conv_dim") or rank)
        _land_convolutions(extra, dim, alpha, draft)
    extra.pop("conv_dim", None)
    extra.pop("conv_alpha", None)
    if "factor" in extra and kind == "lokr":
        draft.put("lora.decompose_factor", convert("factor", "whole", extra.pop("factor")))
    for theirs, ours in (("dora_wd", "use_dora"), ("rs_lora", "use_rslora")):
        if extra.pop(theirs, "false").lower() in ("true", "1", "yes"):
            if draft.values["lora.type"] == "lora":
                draft.put(f"lora.{ours}", True)
            else:
                draft.remark(f"--network_args {theirs}", "here it goes with a plain LoRA alone.")


def _land_convolutions(extra: dict[str, str], dim: int, alpha: float, draft: Draft) -> None:
    if dim < 1:
        return
    draft.put("lora.conv_rank", dim, "--network_args conv_dim")
    scale = convert("conv_alpha", "number", extra.get("conv_alpha") or alpha)
    if scale and scale != dim:
        draft.put("lora.conv_alpha", scale, "--network_args conv_alpha")


def land_rates(arguments: Arguments, draft: Draft) -> None:
    """Learning rates, and whether the text encoder is trained: with kohya it is unless refused."""
    base = arguments["learning_rate"]
    unet = arguments["unet_lr"] if arguments["unet_lr"] is not None else base
    given = [
        convert("text_encoder_lr", "number", one) for one in arguments["text_encoder_lr"] or []
    ]
    text = given[0] if given else base
    if len(set(given)) > 1:
        draft.remark("--text_encoder_lr", f"all text encoders have one rate here: {text:g}.")
    if arguments["network_train_text_encoder_only"]:
        draft.remark(
            "--network_train_text_encoder_only", "here the U-Net is always trained as well."
        )
    draft.put(
        "train.learning_rate", unet, "--unet_lr" if arguments["unet_lr"] else "--learning_rate"
    )
    if arguments["network_train_unet_only"] or text == 0:
        return
    draft.put("lora.train_text_encoder", True)
    draft.put("lora.text_encoder_target_modules", list(TEXT_LAYERS))
    if text != unet:
        draft.put("train.text_encoder_lr", text, "--text_encoder_lr")
    if "train_t5xxl" in " ".join(arguments["network_args"] or []):
        draft.remark("--network_args train_t5xxl", "T5 is never trained here.")


def land_optimizer(arguments: Arguments, draft: Draft) -> None:
    """The optimizer with its library's defaults, and --optimizer_args over them."""
    said = arguments["optimizer_type"] or (
        "AdamW8bit" if arguments["use_8bit_adam"]
        else "Lion" if arguments["use_lion_optimizer"] else "AdamW"
    )  # fmt: skip
    name = said.rpartition(".")[2].lower()
    kind = _OPTIMIZERS.get(name)
    if kind is None:
        kind = "prodigy" if name.startswith("dadapt") else "adamw"
        draft.remark(
            "--optimizer_type", f'lorad does not know {told(said)}; "{kind}" is written instead.'
        )
    elif name not in (kind, "adamwschedulefree"):
        draft.remark("--optimizer_type", f'{told(said, "")} is "{kind}" here.')
    values: dict[str, Any] = {"type": kind, **_OPTIMIZER_DEFAULTS.get(kind, {})}
    for key, text in pairs(arguments["optimizer_args"], "optimizer_args").items():
        value = _literal(key, text)
        if key == "betas" and isinstance(value, tuple | list) and len(value) >= 2:
            values |= dict(zip(("adam_beta1", "adam_beta2"), value, strict=False))
        elif key in _OPTIMIZER_ARGUMENTS:
            values[_OPTIMIZER_ARGUMENTS[key]] = value
        elif not (kind == "adafactor" and key in _ADAFACTOR_OFF and value is False):
            draft.remark(f"--optimizer_args {key}", "it has no counterpart; it is left out.")
    if kind == "adafactor" and "relative_step=False" not in (arguments["optimizer_args"] or []):
        draft.remark("--optimizer_type", "Adafactor keeps to train.learning_rate here; kohya's "
                     "relative_step, on unless set to False, is not there.")  # fmt: skip
    for key, value in values.items():
        draft.put(f"optimizer.{key}", value, "--optimizer_args" if key != "type" else "")


def _literal(key: str, text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise CannotImport(
            what="The argument --optimizer_args", why=f"{told(text)} is no value for {key}"
        ) from None


def land_schedule(arguments: Arguments, draft: Draft) -> None:
    """The schedule by diffusers' names, which are kohya's too, but for a few."""
    name, warmup = _scheduler(arguments, draft)
    draft.put("schedule.lr_scheduler", name, "--lr_scheduler")
    if name != "constant":
        draft.put("schedule.lr_warmup_steps", warmup, "--lr_warmup_steps")
    if name == "cosine_with_restarts":
        draft.put("schedule.lr_num_cycles", arguments["lr_scheduler_num_cycles"],
                  "--lr_scheduler_num_cycles")  # fmt: skip
    if name == "polynomial":
        draft.put("schedule.lr_power", arguments["lr_scheduler_power"], "--lr_scheduler_power")
    if name in ("cosine_with_min_lr", "warmup_stable_decay"):
        draft.put("schedule.min_lr_ratio", arguments["lr_scheduler_min_lr_ratio"] or 0.0)
    if name == "warmup_stable_decay":
        draft.put("schedule.lr_decay_steps", _steps(arguments, "lr_decay_steps", draft))


def _scheduler(arguments: Arguments, draft: Draft) -> tuple[str, int | None]:
    """The schedule's name and its warm-up."""
    name = arguments["lr_scheduler"]
    warmup = _steps(arguments, "lr_warmup_steps", draft)
    if said := arguments["lr_scheduler_type"]:
        draft.remark(
            "--lr_scheduler_type", f"lorad does not know {told(said)}; --lr_scheduler is taken."
        )
    if draft.values["optimizer.type"] == "schedulefree":
        if name != "constant":
            draft.remark("--lr_scheduler", "schedulefree has no schedule, with kohya neither.")
        name, warmup = "constant", 0
    elif name not in _SCHEDULERS:
        draft.remark("--lr_scheduler", f'{told(name)} is none; "constant" is written instead.')
        name = "constant"
    if name == "constant" and warmup:
        name = "constant_with_warmup"
        draft.remark("--lr_warmup_steps", 'with it "constant" becomes "constant_with_warmup".')
    return name, warmup


def _steps(arguments: Arguments, name: str, draft: Draft) -> int | None:
    """A number of steps, or that share of the run; None where the run's length is in epochs."""
    value = arguments[name]
    if not isinstance(value, float):
        return int(value)
    if arguments["max_train_epochs"] is not None:
        draft.remark(f"--{name}", f"{value:g} of a run whose steps only the data tell; set it.")
        return None
    return int(value * arguments["max_train_steps"])
