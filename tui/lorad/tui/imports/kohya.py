"""The arguments of kohya's train_network.py, sdxl_train_network.py and sd3_train_network.py.

Names and defaults are those of kohya-ss/sd-scripts at 48d368fa (library/train_util.py,
train_network.py, library/sd3_train_utils.py); a config file has the same names. What is neither
landed nor noted here, `kohya_rules.py`, `kohya_network.py` and `kohya_data.py` have rules for.
"""

from __future__ import annotations

from lorad.tui.imports.arguments import Argument, left_out

_MEMORY = "lorad fits a run into memory by itself; train.gradient_checkpointing is there too."
_ENCODED = "pictures and captions are always encoded once, before the first step, and kept."
_PUSH = "a run does not upload; when it is done, `lorad lora push` does."
_SECRET = "its value is left out; keep it in the environment of the daemon."
_RESUME = "lorad cannot read kohya's states; its own runs resume by themselves."
_NAMES = "lorad names its files and writes their metadata by itself."
_ARITHMETIC = "the adapter is trained in fp32 and the rest in train.mixed_precision."

SCRIPTS = frozenset({"train_network.py", "sdxl_train_network.py", "sd3_train_network.py"})

DATA_ARGUMENTS: dict[str, Argument] = {
    "resolution": Argument("text"),
    "train_batch_size": Argument("whole", 1),
    "enable_bucket": Argument("switch", False),
    "min_bucket_reso": Argument("whole", 256),
    "max_bucket_reso": Argument("whole", 1024),
    "bucket_reso_steps": Argument("whole", 64),
    "bucket_no_upscale": Argument("switch", False),
    "validation_split": Argument("number", 0.0),
    "dataset_repeats": Argument("whole", 1),
    "caption_extension": Argument("text", ".caption"),
    "caption_extention": Argument("text"),
    "caption_separator": Argument("text", ","),
    "caption_prefix": Argument("text"),
    "caption_suffix": Argument("text"),
    "shuffle_caption": Argument("switch", False),
    "keep_tokens": Argument("whole", 0),
    "keep_tokens_separator": Argument("text"),
    "secondary_separator": Argument("text"),
    "enable_wildcard": Argument("switch", False),
    "caption_dropout_rate": Argument("number", 0.0),
    "caption_dropout_every_n_epochs": Argument("whole", 0),
    "caption_tag_dropout_rate": Argument("number", 0.0),
    "token_warmup_min": Argument("whole"),
    "token_warmup_step": Argument("number", 0.0),
    "flip_aug": Argument("switch", False),
    "color_aug": Argument("switch", False),
    "face_crop_aug_range": Argument("text"),
    "random_crop": Argument("switch", False),
    "resize_interpolation": Argument("text"),
    "alpha_mask": Argument("switch", False),
}
"""What a dataset file may say too, there under its own names (`kohya_data.py`)."""

LISTS = frozenset({"resolution", "face_crop_aug_range", "custom_attributes"})
"""What may be a list or a table in a file, though it is a text on the command line."""

_RUN: dict[str, Argument] = {
    "config_file": Argument("text"),
    "dataset_config": Argument("text"),
    "pretrained_model_name_or_path": Argument("text", to="model.base"),
    "vae": Argument("text", to="model.vae"),
    "train_data_dir": Argument("text"),
    "reg_data_dir": Argument("text"),
    "conditioning_data_dir": Argument("text"),
    "masked_loss": Argument("switch", False),
    "max_train_steps": Argument("whole", 1600),
    "max_train_epochs": Argument("whole"),
    "gradient_accumulation_steps": Argument("whole", 1, to="train.gradient_accumulation_steps"),
    "gradient_checkpointing": Argument("switch"),
    "max_grad_norm": Argument("number", 1.0, to="train.max_grad_norm"),
    "seed": Argument("whole", to="train.seed"),
    "mixed_precision": Argument("text", "no"),
    "torch_compile": Argument("switch", to="train.compile"),
    "output_dir": Argument("text", to="output.folder"),
    "output_name": Argument("text"),
    "save_precision": Argument("text"),
    "save_every_n_steps": Argument("whole", to="train.checkpointing_steps"),
    "save_last_n_steps": Argument("whole"),
    "save_last_n_epochs": Argument("whole"),
    "metadata_trigger_phrase": Argument("text", to="output.trigger_phrase"),
    "log_with": Argument("text"),
    "log_tracker_name": Argument("text", to="log.project"),
    "sample_every_n_steps": Argument("whole", to="sample.every_n_steps"),
    "sample_prompts": Argument("text"),
    "validate_every_n_steps": Argument("whole"),
}

_ADAPTER: dict[str, Argument] = {
    "learning_rate": Argument("number", 2e-6),
    "unet_lr": Argument("number"),
    "text_encoder_lr": Argument("list"),
    "network_module": Argument("text", "networks.lora"),
    "network_dim": Argument("whole"),
    "network_alpha": Argument("number", 1.0),
    "network_dropout": Argument("number", to="lora.dropout"),
    "network_args": Argument("list"),
    "network_weights": Argument("text", to="lora.init_from"),
    "network_train_unet_only": Argument("switch", False),
    "network_train_text_encoder_only": Argument("switch", False),
    "optimizer_type": Argument("text"),
    "optimizer_args": Argument("list"),
    "use_8bit_adam": Argument("switch", False),
    "use_lion_optimizer": Argument("switch", False),
    "lr_scheduler": Argument("text", "constant"),
    "lr_scheduler_type": Argument("text"),
    "lr_warmup_steps": Argument("steps", 0),
    "lr_decay_steps": Argument("steps", 0),
    "lr_scheduler_num_cycles": Argument("whole", 1),
    "lr_scheduler_power": Argument("number", 1.0),
    "lr_scheduler_min_lr_ratio": Argument("number"),
}

_LOSS: dict[str, Argument] = {
    "v_parameterization": Argument("switch", False),
    "zero_terminal_snr": Argument("switch", to="objective.rescale_betas_zero_snr"),
    "min_snr_gamma": Argument("number"),
    "debiased_estimation_loss": Argument("switch", False),
    "noise_offset": Argument("number", to="objective.noise_offset"),
    "ip_noise_gamma": Argument("number", to="objective.input_perturbation"),
    "loss_type": Argument("text", "l2"),
    "huber_schedule": Argument("text", "snr"),
    "huber_c": Argument("number", 0.1),
    "prior_loss_weight": Argument("number", 1.0, to="objective.prior_loss_weight"),
    "weighting_scheme": Argument("text"),
    "logit_mean": Argument("number", to="objective.logit_mean"),
    "logit_std": Argument("number", to="objective.logit_std"),
    "mode_scale": Argument("number", to="objective.mode_scale"),
    "training_shift": Argument("number"),
    "t5xxl_max_token_length": Argument("whole", to="model.max_sequence_length"),
}

_LEFT_OUT: dict[str, Argument] = {
    **left_out(
        _MEMORY,
        switches="lowram highvram mem_eff_attn xformers sdpa cpu_offload_checkpointing "
        "deepspeed zero3_init_flag zero3_save_16bit_model fp8_base fp8_base_unet "
        "fused_backward_pass fp16_master_weights_and_gradients disable_mmap_load_safetensors "
        "no_half_vae ddp_gradient_as_bucket_view ddp_static_graph",
        values="blocks_to_swap zero_stage offload_optimizer_device offload_optimizer_nvme_path "
        "offload_param_device offload_param_nvme_path ddp_timeout dynamo_backend",
    ),
    **left_out(
        _ENCODED,
        switches="cache_latents cache_latents_to_disk skip_cache_check cache_info "
        "cache_text_encoder_outputs cache_text_encoder_outputs_to_disk "
        "persistent_data_loader_workers",
        values="vae_batch_size text_encoder_batch_size max_data_loader_n_workers",
    ),
    **left_out(_ARITHMETIC, switches="full_fp16 full_bf16"),
    **left_out(
        _PUSH,
        switches="async_upload save_state_to_huggingface",
        values="huggingface_repo_id huggingface_repo_type huggingface_path_in_repo "
        "huggingface_repo_visibility",
    ),
    **left_out(_SECRET, values="huggingface_token wandb_api_key"),
    **left_out(
        _RESUME,
        switches="save_state save_state_on_train_end resume_from_huggingface "
        "skip_until_initial_step",
        values="resume initial_epoch initial_step save_last_n_epochs_state save_last_n_steps_state",
    ),
    **left_out(
        _NAMES,
        switches="no_metadata use_safetensors",
        values="save_model_as training_comment metadata_title metadata_author metadata_license "
        "metadata_description metadata_tags metadata_usage_hint metadata_thumbnail "
        "metadata_merged_from metadata_preprocessor metadata_is_negative_embedding",
    ),
    **left_out(
        "lorad counts steps: set train.checkpointing_steps (500 unless set).",
        values="save_every_n_epochs save_n_epoch_ratio",
    ),
    **left_out(
        "lorad counts steps: set sample.every_n_steps (250 unless set).",
        values="sample_every_n_epochs",
    ),
    **left_out(
        "lorad counts steps: set validate.every_n_steps (100 unless set).",
        values="validate_every_n_epochs",
    ),
    **left_out("lorad always draws before the first step.", switches="sample_at_first"),
    **left_out("samples are drawn as the base model's scheduler does it.", values="sample_sampler"),
    **left_out("it has no counterpart: noise is offset by the same strength each time.",
               switches="noise_offset_random_strength ip_noise_gamma_random_strength",
               values="adaptive_noise_scale"),
    **left_out("it has no counterpart: noise is of one resolution.",
               values="multires_noise_iterations multires_noise_discount"),
    **left_out("it has no counterpart: all timesteps are trained.",
               values="min_timestep max_timestep"),
    **left_out("it has no counterpart among the losses.",
               switches="scale_v_pred_loss_like_noise_pred", values="v_pred_like_loss huber_scale"),
    **left_out("captions are read as the base model's pipeline reads them: its last layer but as "
               "its configuration says, and 77 tokens of CLIP.",
               switches="weighted_captions apply_lg_attn_mask apply_t5_attn_mask",
               values="clip_skip max_token_length clip_l_dropout_rate clip_g_dropout_rate "
               "t5_dropout_rate"),
    **left_out("the kind of model is read from model.base.", switches="v2"),
    **left_out("all parts are taken from model.base.",
               switches="save_clip save_t5xxl enable_scaled_pos_embed",
               values="clip_l clip_g t5xxl t5xxl_device t5xxl_dtype pos_emb_random_crop_rate"),
    **left_out("it has no counterpart: norms of the adapter's weights are not bounded.",
               values="scale_weight_norms"),
    "base_weights": Argument("list", note="merge those LoRA files into the base model first."),
    "base_weights_multiplier": Argument("list", note="see --base_weights."),
    **left_out("set lora.rank to the rank of that file.", switches="dim_from_weights"),
    **left_out("it has no counterpart among the schedules.", values="lr_scheduler_timescale"),
    "lr_scheduler_args": Argument("list", note="it has no counterpart among the schedules."),
    **left_out("hub files are kept where HF_HOME says.", values="tokenizer_cache_dir"),
    **left_out("the figures are kept with the job's own files.",
               switches="log_config",
               values="logging_dir log_prefix log_tracker_config wandb_run_name"),
    **left_out("`lorad check` looks a recipe over.", switches="debug_dataset output_config"),
    **left_out("lorad reads pictures with captions beside them, not a metadata file of kohya's.",
               values="in_json dataset_class"),
    **left_out("validation has its own fixed noise.", values="validation_seed"),
    **left_out("set validate.max_pictures.", values="max_validation_steps"),
}  # fmt: skip

ARGUMENTS: dict[str, Argument] = _RUN | _ADAPTER | _LOSS | DATA_ARGUMENTS | _LEFT_OUT
