"""What a command or a config file of kohya's means where one argument is not simply one key."""

from __future__ import annotations

from typing import Any

from lorad.shared.errors import CannotImport
from lorad.tui.imports.arguments import Arguments
from lorad.tui.imports.draft import Draft, told
from lorad.tui.imports.kohya_data import land_shape, read_data
from lorad.tui.imports.kohya_network import (
    land_network,
    land_optimizer,
    land_rates,
    land_schedule,
)
from lorad.tui.imports.kohya_prompts import read_prompts
from lorad.tui.imports.launcher import Launcher

_SAVED = {"float": "fp32", "fp16": "fp16", "bf16": "bf16"}
_LOGGERS = {"tensorboard": ["tensorboard"], "wandb": ["wandb"], "all": ["tensorboard", "wandb"]}

_BUCKETS = "min_bucket_reso max_bucket_reso bucket_reso_steps bucket_no_upscale"
_FLOW = "weighting_scheme training_shift logit_mean logit_std mode_scale t5xxl_max_token_length"
_FLOORED = ("cosine_with_min_lr", "warmup_stable_decay")


def import_kohya(
    arguments: Arguments, dataset: dict[str, Any] | None, launcher: Launcher, draft: Draft
) -> None:
    """Put what kohya would have trained into the draft.

    Raises:
        CannotImport: a value does not fit.
    """
    shared = read_data(arguments, dataset, draft)
    arguments.land(draft)
    land_shape(shared, launcher.num_processes, draft)
    land_network(arguments, draft)
    land_rates(arguments, draft)
    land_optimizer(arguments, draft)
    land_schedule(arguments, draft)
    _land_length(arguments, draft)
    _land_loss(arguments, draft)
    _land_flow(arguments, draft)
    _land_saving(arguments, launcher, draft)
    _land_samples(arguments, draft)
    _land_validation(arguments, shared, draft)
    _remark_idle(arguments, shared, draft)


def _land_length(arguments: Arguments, draft: Draft) -> None:
    if arguments["max_train_epochs"] is not None:
        draft.put("train.num_train_epochs", arguments["max_train_epochs"], "--max_train_epochs")
        if "max_train_steps" in arguments.given:
            draft.remark("--max_train_steps", "--max_train_epochs comes before it.")
    else:
        draft.put("train.max_train_steps", arguments["max_train_steps"], "--max_train_steps")


def _land_loss(arguments: Arguments, draft: Draft) -> None:
    if arguments["v_parameterization"]:
        draft.put("objective.prediction_type", "v_prediction")
    elif arguments["zero_terminal_snr"]:
        draft.remark("--zero_terminal_snr", "it is for v-prediction; an epsilon base refuses it.")
    gamma = arguments["min_snr_gamma"] or 0.0
    if arguments["debiased_estimation_loss"]:
        draft.put("objective.snr_weighting", "debiased")
        if gamma:
            draft.remark("--min_snr_gamma", "kohya applies both weights; here debiased alone.")
    elif not _is_flow(arguments):
        draft.put("objective.snr_gamma", gamma, "--min_snr_gamma")
    kind = arguments["loss_type"]
    if kind == "l1":
        draft.put("objective.loss_type", "smooth_l1")
        draft.put("objective.huber_c", 1e-3)
        draft.remark("--loss_type", "there is no l1; smooth_l1 with a small huber_c is like it.")
    elif kind != "l2":
        draft.put("objective.loss_type", kind, "--loss_type")
        draft.put("objective.huber_c", arguments["huber_c"], "--huber_c")
        if arguments["huber_schedule"] != "constant":
            draft.remark(
                "--huber_schedule",
                f"{told(arguments['huber_schedule'])} has no counterpart: huber_c is the same for "
                "all timesteps.",
            )


def _is_flow(arguments: Arguments) -> bool:
    return bool(arguments["network_module"] == "networks.lora_sd3")


def _land_flow(arguments: Arguments, draft: Draft) -> None:
    """SD 3: every timestep alike and no shift, unless set (library/sd3_train_utils.py)."""
    if not _is_flow(arguments):
        for name in _FLOW.split():
            if to := arguments.table[name].to:
                draft.take(to)
        return
    scheme = arguments["weighting_scheme"] or "uniform"
    draft.put(
        "objective.weighting_scheme", "none" if scheme == "uniform" else scheme,
        "--weighting_scheme",
    )  # fmt: skip
    shift = arguments["training_shift"]
    draft.put("objective.shift", 1.0 if shift is None else shift, "--training_shift")


def _land_saving(arguments: Arguments, launcher: Launcher, draft: Draft) -> None:
    draft.put(
        "train.mixed_precision",
        arguments.given.get("mixed_precision") or launcher.mixed_precision or "no",
        "--mixed_precision",
    )
    if arguments["gradient_checkpointing"]:
        draft.put("train.gradient_checkpointing", True)
    if arguments["seed"] is None:
        draft.put("train.seed", 0)
        draft.remark("--seed", "not given, so each run differs there; here train.seed is 0.")
    if arguments["save_precision"]:
        if arguments["save_precision"] not in _SAVED:
            raise CannotImport(
                what="The argument --save_precision",
                why=f"{told(arguments['save_precision'])} is none of {', '.join(_SAVED)}",
            )
        draft.put("output.save_dtype", _SAVED[arguments["save_precision"]])
    if arguments["save_last_n_epochs"] is not None:
        draft.put("output.keep", max(arguments["save_last_n_epochs"], 2), "--save_last_n_epochs")
    if (last := arguments["save_last_n_steps"]) is not None:
        keep = max(last // (arguments["save_every_n_steps"] or 500), 2)
        draft.put("output.keep", keep)
        draft.remark(
            "--save_last_n_steps", f"here a number of checkpoints is kept: output.keep = {keep}."
        )
    if arguments["log_with"] in _LOGGERS:
        draft.put("log.report_to", _LOGGERS[arguments["log_with"]])


def _land_samples(arguments: Arguments, draft: Draft) -> None:
    if arguments["sample_prompts"] is None:
        draft.take("sample.every_n_steps")
        return
    prompts = read_prompts(arguments["sample_prompts"], draft)
    if prompts:
        draft.put("sample.prompts", prompts, "--sample_prompts")
    draft.put("sample.num_inference_steps", 30)


def _remark_idle(arguments: Arguments, shared: dict[str, Any], draft: Draft) -> None:
    """Say what was given and has no effect, with kohya neither, because something else was not."""
    scheduler = arguments["lr_scheduler"]
    idle = (
        (arguments["sample_prompts"] is None, "--sample_prompts", "sample_every_n_steps"),
        (not shared["enable_bucket"], "enable_bucket", _BUCKETS),
        (not _is_flow(arguments), "sd3_train_network.py", _FLOW),
        (not shared["validation_split"], "a validation_split", "validate_every_n_steps"),
        (arguments["loss_type"] in ("l1", "l2"), "a huber loss", "huber_c huber_schedule"),
        (arguments["network_train_unet_only"], "a text encoder to train", "text_encoder_lr"),
        (scheduler != "cosine_with_restarts", "its schedule", "lr_scheduler_num_cycles"),
        (scheduler != "polynomial", "its schedule", "lr_scheduler_power"),
        (scheduler not in _FLOORED, "its schedule", "lr_scheduler_min_lr_ratio"),
        (scheduler != "warmup_stable_decay", "its schedule", "lr_decay_steps"),
        (not arguments["masked_loss"], "--masked_loss", "conditioning_data_dir"),
        (not any("mask_path" in data for data in draft.data), "a folder of masks", "masked_loss"),
    )
    for holds, what, names in idle:
        for name in names.split():
            if holds and name in arguments.given:
                draft.remark(f"--{name}", f"without {what} it has no effect.")


def _land_validation(arguments: Arguments, shared: dict[str, Any], draft: Draft) -> None:
    split = shared.get("validation_split") or 0.0
    if not split:
        return
    if split > 0.5:
        draft.remark("validation_split", f"{split:g} is more than lorad holds out; 0.5 is written.")
    draft.put("validate.split", min(split, 0.5), "--validation_split")
    draft.put("validate.every_n_steps", arguments["validate_every_n_steps"])
