"""A commented recipe to start from."""

from __future__ import annotations

TEMPLATE = """\
# A run of lorad. `lorad check {file}` looks it over, `lorad add {file}` queues it.
name = "{name}"

[model]
base = "emoji"            # the shipped model; or a diffusers folder, or a hub name such as
                          # "stable-diffusion-v1-5/stable-diffusion-v1-5" (resolution 512)

[data]
path = "pictures"         # beside this file: pictures with metadata.csv, metadata.jsonl or a
                          # .txt for each; or instead: dataset_name = "owner/set" from the hub
# caption_column = "text" # where the captions are; "text" unless there is only one other column
# random_flip = false     # train mirror images too
# caption_dropout = 0.05  # how often a caption is left out

[lora]
rank = 16                 # size of the adapter
# alpha = 16              # strength; equal to the rank unless set
# target_modules = "attention"        # "attention+ff", "full", a list of layer names, a regex
# conv_rank = 8                      # convolutions too: for a style

[train]
max_train_steps = 300
train_batch_size = 8
resolution = 64           # 512 for Stable Diffusion 1.x
learning_rate = 1e-3      # 1e-4 for Stable Diffusion 1.x
seed = 7
checkpointing_steps = 50
# gradient_accumulation_steps = 1
# mixed_precision = "auto"          # auto, no, fp16, bf16
# gradient_checkpointing = "auto"   # true: less memory, slower
# exact = true                      # bit for bit; true on a CPU unless set, false on a GPU

# [objective]
# snr_gamma = 5.0
# noise_offset = 0.0

# [schedule]
# lr_scheduler = "cosine"
# lr_warmup_steps = 30              # a tenth of the steps unless set

[sample]
prompts = ["cat face", "rocket"]
every_n_steps = 100
guidance_scale = 4.0      # 7.5 for Stable Diffusion 1.x

# [output]
# folder = "output/{name}"
# keep = 2                          # checkpoints
"""


def template(name: str, file: str) -> str:
    """A commented recipe to start from, as `lorad init` writes it."""
    return TEMPLATE.format(name=name, file=file)
