"""The tables of a recipe as typed structs. Names are diffusers', peft's and kohya's own."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

# Bounds that no sane value meets keep out what neither the database nor the wire can hold:
# integers beyond 64 bits, infinity, NaN.
LARGEST = 1e38
Count = Annotated[int, Meta(ge=1, le=2**31)]
Whole = Annotated[int, Meta(ge=0, le=2**62)]
Rate = Annotated[float, Meta(gt=0, le=LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0, le=LARGEST)]
Finite = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Side = Annotated[int, Meta(ge=8, le=4096, multiple_of=8)]
Beta = Annotated[float, Meta(ge=0, lt=1)]
DEFAULT_STEPS = 1000


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the recipe; a key that is not listed is refused."""


class Model(Section, frozen=True):
    """`[model]`: what is trained on."""

    base: str = "emoji"
    """The shipped model by its name, a diffusers folder, a hub name `owner/model`, or one
    `.safetensors` checkpoint file."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""
    variant: str | None = None
    """Of its weight files: `fp16`."""
    vae: str | None = None
    """Another VAE: a folder or a hub name."""
    text_encoder_3: bool = True
    """SD 3: with its T5 encoder; false saves its memory."""
    max_sequence_length: Annotated[int, Meta(ge=1, le=512)] = 256
    """SD 3: tokens that T5 reads."""


class Data(Section, frozen=True):
    """`[data]`, or several `[[data]]`: pictures and their captions."""

    path: str | None = None
    """A folder of pictures, relative to the recipe."""
    dataset_name: str | None = None
    """Instead of `path`: a data set on the hub, `owner/set`, or a folder in one of its formats."""
    dataset_config_name: str | None = None
    split: str = "train"
    image_column: str = "image"
    caption_column: str | None = None
    """None: `text`, else the only other column of strings or of lists of strings."""
    caption_extension: Literal[".txt", ".caption"] | None = None
    """Of the file beside each picture. None: either."""
    caption: str | None = None
    """For all pictures that have no caption of their own, as kohya's class_tokens."""
    max_train_samples: Count | None = None
    """Only the first so many."""
    follow_links: bool = False
    """Also read what links in the folder point to outside of it."""
    repeats: Count = 1
    """How often an epoch shows each picture."""
    weight: Rate = 1.0
    """How much each picture counts in the loss."""
    is_reg: bool = False
    """A regularisation set: as many of its pictures as of the others, at `prior_loss_weight`."""
    mask_path: str | None = None
    """A folder of masks under the pictures' names: white is trained, black is not."""
    alpha_mask: bool = False
    """Take the pictures' own transparency as the mask."""
    trigger_word: str = ""
    """Put before every caption that lacks it, and in the place of `[trigger]`."""
    caption_prefix: str = ""
    caption_suffix: str = ""
    caption_separator: Annotated[str, Meta(min_length=1, max_length=8)] = ","
    shuffle_caption: bool = False
    """Tags in another order each time."""
    keep_tokens: Whole = 0
    """So many tags stay in front, whatever is shuffled or dropped."""
    caption_tag_dropout: Share = 0.0
    """How often one tag is left out."""
    caption_dropout: Share = 0.05
    """How often a picture is trained without its caption, so that guidance goes on working."""
    enable_wildcard: bool = False
    """`{a|b}` in a caption means one of them."""
    caption_variants: Annotated[int, Meta(ge=1, le=1000)] = 10
    """How many versions of a caption that varies are encoded."""
    random_flip: bool = False
    center_crop: bool = True
    """false: `crop_variants` random places."""
    crop_variants: Annotated[int, Meta(ge=1, le=64)] = 4

    @property
    def source(self) -> str:
        """What it names: for reports and errors."""
        return self.path or self.dataset_name or ""

    @property
    def varies(self) -> bool:
        """Whether one caption is read in several ways."""
        return self.shuffle_caption or self.enable_wildcard or self.caption_tag_dropout > 0


class Buckets(Section, frozen=True):
    """`[buckets]`: pictures keep their shape, by kohya's rule."""

    enable_bucket: bool = True
    """false: every picture is cropped to a square."""
    min_bucket_reso: Side | None = None
    """None: a quarter of the resolution, at least 8; kohya's 256 at 1024."""
    max_bucket_reso: Side | None = None
    """None: twice the resolution."""
    bucket_reso_steps: Side | None = None
    """None: 64 from a resolution of 512 on, less below."""
    bucket_no_upscale: bool = False
    """Pictures are only ever made smaller."""


Targets = Literal["attention", "attention+ff", "full"]
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")


class Lora(Section, frozen=True):
    """`[lora]`: the adapter, as peft's configurations name it."""

    type: Literal["lora", "loha", "lokr"] = "lora"
    rank: Count = 16
    alpha: Rate | None = None
    """None: equal to the rank, so that the update is not scaled."""
    use_rslora: bool = False
    use_dora: bool = False
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """peft's lora_dropout; for LoHa and LoKr its rank_dropout."""
    decompose_factor: Annotated[int, Meta(ge=-1, le=2**16)] = -1
    """LoKr's."""
    init_lora_weights: Literal["default", "gaussian"] = "default"
    """gaussian is the reference script's."""
    target_modules: str | tuple[str, ...] = "attention"
    """`attention`, `attention+ff`, `full`, a list of ends of layer names, or a regex of whole
    ones."""
    conv_rank: Count | None = None
    """Convolutions as well, at this rank; kohya's conv_dim."""
    conv_alpha: Rate | None = None
    """None: equal to conv_rank."""
    rank_pattern: dict[str, Count] = {}
    """Another rank for layers whose names end so, or match so."""
    alpha_pattern: dict[str, Rate] = {}
    train_text_encoder: bool = False
    text_encoder_target_modules: tuple[str, ...] = TEXT_TARGETS
    init_from: str | None = None
    """Start from this LoRA file, of diffusers' or kohya's keys."""

    @property
    def lora_alpha(self) -> float:
        """The alpha that holds, as peft names it."""
        return self.alpha or self.rank


class Train(Section, frozen=True):
    """`[train]`: the loop."""

    max_train_steps: Count | None = None
    """None: what `num_train_epochs` take, else 1000."""
    num_train_epochs: Count | None = None
    train_batch_size: Count = 4
    """Pictures at once, over all processes."""
    gradient_accumulation_steps: Count = 1
    resolution: Side = 512
    learning_rate: Rate = 1e-4
    text_encoder_lr: Rate | None = None
    """None: the same."""
    max_grad_norm: NotNegative = 1.0
    """0: gradients are not clipped."""
    ema_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Of a moving average of the adapter, which is then what is sampled and saved; 0: none."""
    seed: Whole = 0
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """auto: bf16 on a GPU that has it, fp16 on an older one, no on a CPU."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """auto: only where a step would not fit otherwise."""
    compile: bool | Literal["auto"] = "auto"
    """torch.compile; auto: where it pays back within the run. Never in an exact run by itself."""
    checkpointing_steps: Count = 500
    exact: bool | None = None
    """Only what repeats bit for bit. None: true on a CPU, false on a GPU."""
    num_processes: Annotated[int, Meta(ge=1, le=64)] = 1
    """GPUs that share each step."""
    gpu_memory_gib: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    """Free memory that a card must have before the run starts on it; 0: estimated."""

    @property
    def known_steps(self) -> int | None:
        """The length of the run; none: as many as its epochs take, which only the data tell."""
        if self.max_train_steps is None and self.num_train_epochs is None:
            return DEFAULT_STEPS
        return self.max_train_steps


class Objective(Section, frozen=True):
    """`[objective]`: what the network is taught."""

    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    """None: the base model's own."""
    snr_gamma: NotNegative = 5.0
    """Min-SNR's; 0: every timestep weighs the same. Not for flow matching."""
    snr_weighting: Literal["min_snr", "soft_min_snr", "debiased"] = "min_snr"
    noise_offset: NotNegative = 0.0
    input_perturbation: NotNegative = 0.0
    rescale_betas_zero_snr: bool = False
    """Zero terminal SNR; for v-prediction."""
    loss_type: Literal["l2", "huber", "smooth_l1"] = "l2"
    huber_c: Rate = 0.1
    prior_loss_weight: NotNegative = 1.0
    """Of the pictures of a regularisation set."""
    weighting_scheme: Literal["none", "sigma_sqrt", "logit_normal", "mode", "cosmap"] = (
        "logit_normal"
    )
    """SD 3: which timesteps are drawn, and what they weigh."""
    logit_mean: Finite = 0.0
    logit_std: Rate = 1.0
    mode_scale: Finite = 1.29
    shift: Rate | None = None
    """SD 3: of the timesteps towards noise. None: the base model's own."""
    precondition_outputs: bool = True
    """SD 3: the loss is taken of the picture rather than of the flow."""


class Optimizer(Section, frozen=True):
    """`[optimizer]`: what moves the adapter."""

    type: Literal["adamw", "adamw8bit", "adafactor", "prodigy", "schedulefree", "lion"] = "adamw"
    adam_beta1: Beta = 0.9
    adam_beta2: Beta | None = None
    """None: 0.999; for lion 0.99."""
    adam_weight_decay: NotNegative = 1e-2
    adam_epsilon: Rate = 1e-8
    prodigy_beta3: Beta | None = None
    prodigy_decouple: bool = True
    prodigy_use_bias_correction: bool = True
    prodigy_safeguard_warmup: bool = True
    prodigy_d_coef: Rate = 1.0


class Schedule(Section, frozen=True):
    """`[schedule]`: the learning rate over the steps, by diffusers' names and two more."""

    lr_scheduler: Literal[
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts",
        "polynomial", "cosine_with_min_lr", "warmup_stable_decay",
    ] = "cosine"  # fmt: skip
    lr_warmup_steps: Whole | None = None
    """None: a tenth of the steps, at most 500."""
    lr_num_cycles: Count = 1
    """Of cosine_with_restarts."""
    lr_power: Rate = 1.0
    """Of polynomial."""
    min_lr_ratio: Share = 0.1
    """The floor of cosine_with_min_lr and warmup_stable_decay, as a share of the rate."""
    lr_decay_steps: Whole | None = None
    """Of warmup_stable_decay. None: a fifth of the steps."""


class Prompt(Section, frozen=True):
    """One of `[sample] prompts`, written as a table; what is none is as `[sample]` has it."""

    prompt: str
    negative_prompt: str | None = None
    seed: Whole | None = None
    width: Side | None = None
    height: Side | None = None
    num_inference_steps: Annotated[int, Meta(ge=1, le=1000)] | None = None
    guidance_scale: NotNegative | None = None
    lora_scale: Finite | None = None


class Sample(Section, frozen=True):
    """`[sample]`: the pictures drawn while it trains, always from the same noise."""

    prompts: tuple[str | Prompt, ...] = ()
    negative_prompt: str = ""
    every_n_steps: Whole = 250
    """0: only before the first step and after the last."""
    num_inference_steps: Annotated[int, Meta(ge=1, le=1000)] = 25
    guidance_scale: NotNegative = 7.5
    lora_scale: Finite = 1.0
    seed: Whole = 1


class Validate(Section, frozen=True):
    """`[validate]`: loss on pictures that are not trained, at fixed noise and timesteps."""

    split: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """The share of each data set that is held out."""
    path: str | None = None
    """Instead of `split`: a folder of pictures with captions."""
    every_n_steps: Count = 100
    timesteps: Annotated[int, Meta(ge=1, le=64)] = 4
    """At how many, spread evenly, each picture is looked at."""
    max_pictures: Count = 64
    patience: Whole = 0
    """Stop after so many looks without a better one; 0: never."""
    keep_best: bool = True
    """Keep the checkpoint with the lowest validation loss."""

    @property
    def wanted(self) -> bool:
        """Whether anything is held out."""
        return self.split > 0 or self.path is not None


class Output(Section, frozen=True):
    """`[output]`: the files."""

    folder: str | None = None
    """Relative to the recipe; none: `output/<name>-<id>`."""
    keep: Annotated[int, Meta(ge=2)] = 2
    """Checkpoints kept; two at least, since the newest could be damaged."""
    save_dtype: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Of the LoRA files; checkpoints are always whole."""
    trigger_phrase: str = ""
    """Written into the file for the programs that show it."""


class Log(Section, frozen=True):
    """`[log]`: other programs that are told the figures."""

    report_to: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    project: str = "lorad"
    every_n_steps: Count = 10


class Recipe(Section, frozen=True):
    """One run."""

    name: str
    data: tuple[Data, ...]
    model: Model = Model()
    buckets: Buckets = Buckets()
    lora: Lora = Lora()
    train: Train = Train()
    objective: Objective = Objective()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    sample: Sample = Sample()
    validate: Validate = Validate()
    output: Output = Output()
    log: Log = Log()
