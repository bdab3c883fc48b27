"""Base models and LoRA files."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError


class ModelError(LoradError):
    """The base model cannot be used."""

    exit_code = 2


class ModelMissing(ModelError):
    """There is no model at {base}. Set `model.base` to "emoji", a diffusers folder, a
    `.safetensors` checkpoint or a hub name such as
    "stable-diffusion-v1-5/stable-diffusion-v1-5"."""


class ModelUnreachable(ModelError):
    """The model {base} is neither a folder here nor to be had from the hub: {why}. Check the
    name and the network, or download it first and set `model.base` to its folder."""


class ModelConfigUnreachable(ModelError):
    """The checkpoint {base} holds weights only. Its configuration is that of {reference}, which is
    not to be had from the hub: {why}. Check the network, or put that model's files, without the
    weights, into the folder {beside}."""


class PickledModel(ModelError):
    """{base} is a pickle, which may run any program when it is read, so it is not opened. Use the
    same model as a `.safetensors` file or a diffusers folder."""


class ModelUnsupported(ModelError):
    """{base} cannot be trained: {why}. It takes a whole Stable Diffusion 1.x, 2.x, XL, 3 or 3.5
    model, as a diffusers folder or a `.safetensors` checkpoint."""


class TargetsMissing(ModelError):
    """`{key}` names {names}, which no layer of this model matches. Attention layers are called
    to_q, to_k, to_v and to_out.0; of a text encoder q_proj, k_proj, v_proj and out_proj."""


class LoraError(ModelError):
    """A LoRA file cannot be used."""


class FileMissing(LoraError):
    """There is no file {path}."""


class LoraUnreadable(LoraError):
    """{path} cannot be read as a LoRA: {why}."""


class LoraKeysUnknown(LoraError):
    """{path} holds what is no LoRA of Stable Diffusion in keys of diffusers or kohya: {names}."""


class LoraUnfit(LoraError):
    """{path} does not fit: {why}."""


class NotConvertible(LoraError):
    """{path} cannot be converted: {why}."""


class NotPushed(LoradError):
    """Nothing was pushed to {repo}: {why}."""
