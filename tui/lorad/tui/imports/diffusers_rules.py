"""What a command of diffusers' scripts means where one argument is not simply one key."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lorad.tui.imports.arguments import Arguments, read_words
from lorad.tui.imports.diffusers import SCRIPTS, Script
from lorad.tui.imports.draft import Draft, told
from lorad.tui.imports.launcher import Launcher, read_launcher
from lorad.tui.imports.shell import Call

SCHEDULERS = frozenset(
    {"constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"}
)
LOGGERS = ("tensorboard", "wandb", "trackio")
CROPS = "a new place each time there; here one of data.crop_variants places (4 unless set)."
SD3_LAYERS = (
    "attn.add_k_proj", "attn.add_q_proj", "attn.add_v_proj", "attn.to_add_out",
    "attn.to_k", "attn.to_out.0", "attn.to_q", "attn.to_v",
)  # fmt: skip
"""What train_dreambooth_lora_sd3.py trains unless told otherwise; lorad's `attention`."""


class Command(NamedTuple):
    """A script's call, read."""

    script: Script
    arguments: Arguments
    launcher: Launcher


def import_diffusers(call: Call, draft: Draft) -> None:
    """Put what the call would have trained into the draft."""
    script = SCRIPTS[call.script]
    launcher = read_launcher(call.launcher, draft)
    command = Command(script, Arguments(script.table, read_words(call.words, script.table, draft)),
                      launcher)  # fmt: skip
    draft.values |= {
        "lora.init_lora_weights": "gaussian",
        "buckets.enable_bucket": False,
    }
    draft.put("data.caption_dropout", 0.0)
    if not script.flow:
        draft.put("objective.snr_gamma", command.arguments["snr_gamma"] or 0.0, "--snr_gamma")
    command.arguments.land(draft)
    for rule in _RULES:
        rule(command, draft)


def _source(command: Command, draft: Draft) -> None:
    data = draft.data[0]
    if "dataset_name" in data and data.pop("path", None):
        draft.remark(
            "--dataset_name", "the script takes it before a folder, so the folder is left out."
        )
    if "caption_column" not in command.arguments.given:
        data.pop("caption_column", None)  # "text" is what lorad looks for first
    if not data["center_crop"]:
        draft.remark("--center_crop", f"not given, so pictures are cropped at random: {CROPS}")
    if "max_train_samples" in data:
        draft.remark(
            "--max_train_samples", "the script shuffles first; here they are the first so many."
        )


def _instance_prompt(command: Command, draft: Draft) -> None:
    if "caption" not in draft.data[0]:
        return
    if "caption_column" in draft.data[0]:
        draft.remark("--instance_prompt", "the pictures have the captions of --caption_column.")
        draft.data[0].pop("caption")
    else:
        draft.remark(
            "--instance_prompt",
            "it is for pictures without a caption; here captions that are beside them come first.",
        )


def _class_pictures(command: Command, draft: Draft) -> None:
    arguments = command.arguments
    if not arguments["with_prior_preservation"]:
        for name in ("class_data_dir", "class_prompt"):
            if arguments[name] is not None:
                draft.remark(f"--{name}", "without --with_prior_preservation it has no effect.")
        return
    folder = arguments["class_data_dir"]
    if folder is None:
        draft.remark("--with_prior_preservation", "there is no --class_data_dir to take them from.")
        return
    regular = {key: draft.data[0][key] for key in ("center_crop", "caption_dropout")}
    regular |= {"path": folder, "is_reg": True}
    if arguments["class_prompt"] is not None:
        regular["caption"] = arguments["class_prompt"]
    draft.data.append(regular)
    draft.put("objective.prior_loss_weight", arguments["prior_loss_weight"], "--prior_loss_weight")


def _batch(command: Command, draft: Draft) -> None:
    """The script's batch is each process's, and of instance pictures alone; lorad's is all."""
    arguments, processes = command.arguments, command.launcher.num_processes
    size = arguments["train_batch_size"] * processes
    if processes > 1:
        draft.put("train.num_processes", processes, "--num_processes")
        draft.remark(
            "--train_batch_size",
            f"{arguments['train_batch_size']} for each of {processes} processes is {size} in all.",
        )
    if len(draft.data) > 1:
        size *= 2
        draft.remark(
            "--with_prior_preservation",
            f"class pictures come on top of the batch there; here they are in it, so it is {size}.",
        )
    draft.put("train.train_batch_size", size, "--train_batch_size")


def _length(command: Command, draft: Draft) -> None:
    arguments = command.arguments
    steps = arguments["max_train_steps"]
    if steps is None:
        draft.put("train.num_train_epochs", arguments["num_train_epochs"], "--num_train_epochs")
    else:
        draft.put("train.max_train_steps", steps, "--max_train_steps")
        if "num_train_epochs" in arguments.given:
            draft.remark("--num_train_epochs", "--max_train_steps comes before it.")


def _learning_rate(command: Command, draft: Draft) -> None:
    arguments = command.arguments
    rate = arguments["learning_rate"]
    if arguments["scale_lr"]:
        factor = arguments["gradient_accumulation_steps"] * arguments["train_batch_size"]
        factor *= command.launcher.num_processes
        rate = float(f"{rate * factor:.12g}")
        draft.remark(
            "--scale_lr",
            f"{arguments['learning_rate']:g} times {factor}, the pictures of a step, is {rate:g}.",
        )
    draft.put("train.learning_rate", rate, "--learning_rate")
    if arguments["train_text_encoder"]:
        draft.put("train.text_encoder_lr", arguments["text_encoder_lr"], "--text_encoder_lr")
        decay = arguments["adam_weight_decay_text_encoder"]
        if decay is not None and "adam_weight_decay_text_encoder" not in arguments.given:
            draft.remark(
                "--adam_weight_decay_text_encoder",
                f"{decay:g} there; here all of the adapter has adam_weight_decay.",
            )
    elif "text_encoder_lr" in arguments.given:
        draft.remark("--text_encoder_lr", "without --train_text_encoder it has no effect.")


def _schedule(command: Command, draft: Draft) -> None:
    arguments = command.arguments
    name = arguments["lr_scheduler"]
    if name not in SCHEDULERS:
        draft.remark("--lr_scheduler", f'{told(name)} is none; "constant" is written instead.')
        name = "constant"
    draft.put("schedule.lr_scheduler", name, "--lr_scheduler")
    if name != "constant":
        draft.put("schedule.lr_warmup_steps", arguments["lr_warmup_steps"], "--lr_warmup_steps")
    elif arguments.given.get("lr_warmup_steps"):
        draft.remark(
            "--lr_warmup_steps", '"constant" has no warm-up, there neither; it is left out.'
        )


def _optimizer(command: Command, draft: Draft) -> None:
    arguments = command.arguments
    kind = (arguments["optimizer"] or "adamw").lower()
    if kind not in ("adamw", "prodigy"):
        draft.remark("--optimizer", f"the script does not know {told(kind)} and takes AdamW.")
        kind = "adamw"
    if arguments["use_8bit_adam"]:
        if kind == "prodigy":
            draft.remark("--use_8bit_adam", "with --optimizer prodigy it has no effect.")
        else:
            kind = "adamw8bit"
    draft.put("optimizer.type", kind)
    if kind != "prodigy":
        for key in [key for key in draft.values if key.startswith("optimizer.prodigy_")]:
            draft.take(key)
            if key.removeprefix("optimizer.") in arguments.given:
                name = key.removeprefix("optimizer.")
                draft.remark(f"--{name}", "without --optimizer prodigy it has no effect.")
    if command.script.never_clips:
        draft.remark(
            "--max_grad_norm",
            f"the script never clips, since its list is used up by then; here gradients are "
            f"clipped at {arguments['max_grad_norm']:g}. train.max_grad_norm = 0 trains as there.",
        )


def _precision(command: Command, draft: Draft) -> None:
    said = command.arguments["mixed_precision"] or command.launcher.mixed_precision
    if said is None:
        draft.remark(
            "--mixed_precision",
            'not given, so it is "no", unless `accelerate config` was told otherwise.',
        )
    if said == "bf16" and command.script.never_clips:
        draft.remark(
            "--mixed_precision",
            "the script keeps the adapter itself in bf16; here it is fp32 and the rest bf16.",
        )
    draft.put("train.mixed_precision", said or "no", "--mixed_precision")
    if command.arguments["gradient_checkpointing"]:
        draft.put("train.gradient_checkpointing", True)


def _seed(command: Command, draft: Draft) -> None:
    if command.arguments["seed"] is None:
        draft.remark("--seed", "not given, so each run differs there; here train.seed is 0.")
        draft.put("train.seed", 0)


def _samples(command: Command, draft: Draft) -> None:
    arguments = command.arguments
    prompt = arguments["validation_prompt"]
    if prompt is None:
        for name in ("num_validation_images", "validation_epochs"):
            if name in arguments.given:
                draft.remark(f"--{name}", "without --validation_prompt it has no effect.")
        return
    first = arguments["seed"] if arguments["seed"] is not None else 1
    count = max(arguments["num_validation_images"], 0)
    prompts = [{"prompt": prompt, "seed": first + number} for number in range(count)]
    draft.put("sample.prompts", prompts or None)
    draft.put("sample.num_inference_steps", command.script.steps)
    draft.put("sample.guidance_scale", command.script.guidance)
    if "validation_epochs" not in arguments.given:
        every = arguments["validation_epochs"]
        draft.remark(
            "--validation_epochs",
            f"{every} there; lorad counts steps: set sample.every_n_steps (250 unless set).",
        )


def _report(command: Command, draft: Draft) -> None:
    said = command.arguments["report_to"]
    if said is None:
        return
    wanted = LOGGERS if said == "all" else [part.strip() for part in said.split(",")]
    draft.put("log.report_to", [name for name in wanted if name in LOGGERS])
    for name in wanted:
        if name not in LOGGERS and name != "none":
            draft.remark("--report_to", f"lorad does not report to {told(name, '')}.")


def _checkpoints(command: Command, draft: Draft) -> None:
    limit = command.arguments["checkpoints_total_limit"]
    if limit is None:
        draft.remark(
            "--checkpoints_total_limit", "not given, so all are kept there; here output.keep (2)."
        )
        return
    if limit < 2:
        draft.remark("--checkpoints_total_limit", f"{limit} is too few; 2 is the least here.")
    draft.put("output.keep", max(limit, 2))


def _sd3(command: Command, draft: Draft) -> None:
    if not command.script.flow:
        return
    arguments = command.arguments
    draft.put("objective.precondition_outputs", bool(arguments["precondition_outputs"]))
    layers = [layer.strip() for layer in (arguments["lora_layers"] or "").split(",")]
    layers = [layer for layer in layers if layer]
    if arguments["lora_blocks"]:
        blocks = [block.strip() for block in arguments["lora_blocks"].split(",")]
        layers = layers or list(SD3_LAYERS)
        layers = [f"transformer_blocks.{block}.{layer}" for block in blocks for layer in layers]
    draft.put("lora.target_modules", layers or None, "--lora_layers")


_RULES: tuple[Callable[[Command, Draft], None], ...] = (
    _source, _instance_prompt, _class_pictures, _batch, _length, _learning_rate, _schedule,
    _optimizer, _precision, _seed, _samples, _report, _checkpoints, _sd3,
)  # fmt: skip
