"""The arguments of diffusers' training scripts: their names, their defaults, where they land.

Read from huggingface/diffusers at 58eb52c0: examples/text_to_image/train_text_to_image_lora.py and
…_lora_sdxl.py, examples/dreambooth/train_dreambooth_lora.py, …_lora_sdxl.py and …_lora_sd3.py.
What is neither landed nor noted here, `diffusers_rules.py` has a rule for.
"""

from __future__ import annotations

from typing import NamedTuple

from lorad.tui.imports.arguments import Argument, Table, left_out

_ATTENTION = "PyTorch's own attention is used, which needs no such switch."
_PUSH = "a run does not upload; when it is done, `lorad lora push` does."
_ENCODED = "pictures and captions are encoded once, before the first step, and kept."

_ALL: dict[str, Argument] = {
    "pretrained_model_name_or_path": Argument("text", to="model.base"),
    "revision": Argument("text", to="model.revision"),
    "variant": Argument("text", to="model.variant"),
    "dataset_name": Argument("text", to="data.dataset_name"),
    "dataset_config_name": Argument("text", to="data.dataset_config_name"),
    "image_column": Argument("text", "image", to="data.image_column"),
    "validation_prompt": Argument("text"),
    "num_validation_images": Argument("whole", 4),
    "validation_epochs": Argument(
        "whole", 1, note="lorad counts steps: set sample.every_n_steps (250 unless set)."
    ),
    "seed": Argument("whole", to="train.seed"),
    "resolution": Argument("whole", 512, to="train.resolution"),
    "center_crop": Argument("switch", False, to="data.center_crop"),
    "random_flip": Argument("switch", False, to="data.random_flip"),
    "train_batch_size": Argument("whole", 16),
    "num_train_epochs": Argument("whole", 100),
    "max_train_steps": Argument("whole"),
    "gradient_accumulation_steps": Argument("whole", 1, to="train.gradient_accumulation_steps"),
    "gradient_checkpointing": Argument("switch"),
    "learning_rate": Argument("number", 1e-4),
    "scale_lr": Argument("switch", False),
    "lr_scheduler": Argument("text", "constant"),
    "lr_warmup_steps": Argument("whole", 500),
    "snr_gamma": Argument("number"),
    "use_8bit_adam": Argument("switch", False),
    "adam_beta1": Argument("number", 0.9, to="optimizer.adam_beta1"),
    "adam_beta2": Argument("number", 0.999, to="optimizer.adam_beta2"),
    "adam_weight_decay": Argument("number", 1e-2, to="optimizer.adam_weight_decay"),
    "adam_epsilon": Argument("number", 1e-8, to="optimizer.adam_epsilon"),
    "max_grad_norm": Argument("number", 1.0, to="train.max_grad_norm"),
    "output_dir": Argument("text", "sd-model-finetuned-lora", to="output.folder"),
    "mixed_precision": Argument("text"),
    "report_to": Argument("text"),
    "checkpointing_steps": Argument("whole", 500, to="train.checkpointing_steps"),
    "checkpoints_total_limit": Argument("whole"),
    "rank": Argument("whole", 4, to="lora.rank"),
    **left_out("hub files are kept where HF_HOME says.", values="cache_dir"),
    **left_out("train.exact decides how exact arithmetic is.", switches="allow_tf32"),
    **left_out(_ENCODED, values="dataloader_num_workers"),
    **left_out(_PUSH, switches="push_to_hub", values="hub_model_id"),
    **left_out(
        "its value is left out. `lorad lora push` takes the login that `hf auth login` keeps.",
        values="hub_token",
    ),
    **left_out("the figures are kept with the job's own files.", values="logging_dir"),
    **left_out("lorad numbers its processes by itself.", values="local_rank"),
    **left_out(
        "lorad cannot read that script's checkpoints; its own runs resume by themselves. To begin "
        "with the LoRA file of an earlier run, set lora.init_from.",
        values="resume_from_checkpoint",
    ),
    **left_out(_ATTENTION, switches="enable_xformers_memory_efficient_attention"),
}

_INTERPOLATION = Argument("text", "lanczos", note="pictures are always scaled by Lanczos.")

_TEXT_TO_IMAGE: dict[str, Argument] = {
    "train_data_dir": Argument("text", to="data.path"),
    "caption_column": Argument("text", "text", to="data.caption_column"),
    "max_train_samples": Argument("whole", to="data.max_train_samples"),
    "prediction_type": Argument("text", to="objective.prediction_type"),
    "noise_offset": Argument("number", 0.0, to="objective.noise_offset"),
    "image_interpolation_mode": _INTERPOLATION,
}

_SDXL: dict[str, Argument] = {
    "resolution": Argument("whole", 1024, to="train.resolution"),
    "pretrained_vae_model_name_or_path": Argument("text", to="model.vae"),
    "train_text_encoder": Argument("switch", False, to="lora.train_text_encoder"),
    **left_out(_ATTENTION, switches="enable_npu_flash_attention"),
    **left_out("the loss is logged of the whole batch.", switches="debug_loss"),
}

_DREAMBOOTH: dict[str, Argument] = {
    "instance_data_dir": Argument("text", to="data.path"),
    "instance_prompt": Argument("text", to="data.caption"),
    "class_data_dir": Argument("text"),
    "class_prompt": Argument("text"),
    "with_prior_preservation": Argument("switch", False),
    "prior_loss_weight": Argument("number", 1.0),
    "train_batch_size": Argument("whole", 4),
    "num_train_epochs": Argument("whole", 1),
    "output_dir": Argument("text", "lora-dreambooth-model", to="output.folder"),
    "lora_dropout": Argument("number", 0.0, to="lora.dropout"),
    "lr_num_cycles": Argument("whole", 1, to="schedule.lr_num_cycles"),
    "lr_power": Argument("number", 1.0, to="schedule.lr_power"),
    "train_text_encoder": Argument("switch", False, to="lora.train_text_encoder"),
    **left_out(
        "no pictures are made; the folder of --class_data_dir must hold them.",
        values="num_class_images prior_generation_precision sample_batch_size",
    ),
}

_DREAMBOOTH_SD1: dict[str, Argument] = {
    "learning_rate": Argument("number", 5e-4),
    "validation_epochs": _ALL["validation_epochs"]._replace(default=50),
    "image_interpolation_mode": _INTERPOLATION,
    "validation_images": Argument("list", note="samples are drawn from text alone."),
    **left_out("the tokenizer is the base model's.", values="tokenizer_name tokenizer_max_length"),
    **left_out(_ENCODED, switches="pre_compute_text_embeddings"),
    **left_out("captions are encoded as pipelines do it.",
               switches="text_encoder_use_attention_mask"),
    **left_out("Stable Diffusion's U-Net takes none.", values="class_labels_conditioning"),
}  # fmt: skip

_DREAMBOOTH_LATER: dict[str, Argument] = {
    "caption_column": Argument("text", to="data.caption_column"),
    "repeats": Argument("whole", 1, to="data.repeats"),
    "adam_weight_decay": Argument("number", 1e-4, to="optimizer.adam_weight_decay"),
    "adam_weight_decay_text_encoder": Argument(
        "number", 1e-3, note="all of the adapter has one weight decay, adam_weight_decay."
    ),
    "text_encoder_lr": Argument("number", 5e-6),
    "optimizer": Argument("text", "AdamW"),
    "prodigy_beta3": Argument("number", to="optimizer.prodigy_beta3"),
    "prodigy_decouple": Argument("truth", True, to="optimizer.prodigy_decouple"),
    "prodigy_use_bias_correction": Argument(
        "truth", True, to="optimizer.prodigy_use_bias_correction"
    ),
    "prodigy_safeguard_warmup": Argument("truth", True, to="optimizer.prodigy_safeguard_warmup"),
    "validation_epochs": _ALL["validation_epochs"]._replace(default=50),
}

_DREAMBOOTH_SDXL: dict[str, Argument] = {
    "image_interpolation_mode": _INTERPOLATION,
    "use_dora": Argument("switch", False, to="lora.use_dora"),
    **left_out("there is no training by EDM's formulas.", switches="do_edm_style_training"),
    **left_out("a run writes both forms.", switches="output_kohya_format"),
}

_SD3: dict[str, Argument] = {
    "output_dir": Argument("text", "sd3-dreambooth", to="output.folder"),
    "max_sequence_length": Argument("whole", 77, to="model.max_sequence_length"),
    "weighting_scheme": Argument("text", "logit_normal", to="objective.weighting_scheme"),
    "logit_mean": Argument("number", 0.0, to="objective.logit_mean"),
    "logit_std": Argument("number", 1.0, to="objective.logit_std"),
    "mode_scale": Argument("number", 1.29, to="objective.mode_scale"),
    "precondition_outputs": Argument("whole", 1),
    "lora_layers": Argument("text"),
    "lora_blocks": Argument("text"),
    **left_out(_ENCODED, switches="cache_latents"),
    **left_out("LoRA files are fp32 unless output.save_dtype says so.",
               switches="upcast_before_saving"),
}  # fmt: skip


class Script(NamedTuple):
    """One of the scripts."""

    table: Table
    steps: int
    """Inference steps of its validation pictures: its own or its pipeline's."""
    guidance: float
    never_clips: bool = False
    """It hands a used-up iterator to the clipping."""
    flow: bool = False


def _without(table: dict[str, Argument], *names: str) -> dict[str, Argument]:
    return {name: argument for name, argument in table.items() if name not in names}


_SDXL_BASE = _without(_SDXL, "debug_loss", "enable_npu_flash_attention")

SCRIPTS: dict[str, Script] = {
    "train_text_to_image_lora.py": Script(_ALL | _TEXT_TO_IMAGE, 30, 7.5, never_clips=True),
    "train_text_to_image_lora_sdxl.py": Script(_ALL | _TEXT_TO_IMAGE | _SDXL, 50, 5.0),
    "train_dreambooth_lora.py": Script(
        _without(
            _ALL | _DREAMBOOTH | _DREAMBOOTH_SD1,
            *(
                "dataset_name",
                "dataset_config_name",
                "image_column",
                "snr_gamma",
                "random_flip",
                "cache_dir",
            ),
        ),
        50,
        7.5,
    ),
    "train_dreambooth_lora_sdxl.py": Script(
        _ALL | _DREAMBOOTH | _SDXL_BASE | _DREAMBOOTH_LATER | _DREAMBOOTH_SDXL, 50, 5.0
    ),
    "train_dreambooth_lora_sd3.py": Script(
        _without(
            _ALL | _DREAMBOOTH | _DREAMBOOTH_LATER | _SD3,
            *("snr_gamma", "enable_xformers_memory_efficient_attention"),
        ),
        28,
        7.0,
        flow=True,
    ),
}
"""By the script's file."""
