"""One `.safetensors` checkpoint file as a base: which model it is, and with which configuration."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from safetensors import SafetensorError, safe_open

from lorad.daemon.training.families import hub
from lorad.shared.errors import (
    ModelConfigUnreachable,
    ModelUnreachable,
    ModelUnsupported,
    PickledModel,
)

SUFFIX = ".safetensors"
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
KINDS = ("v1", "v2", "xl_base", "sd3", "sd35_medium", "sd35_large")
"""What diffusers calls the checkpoints that can be trained here."""
NETWORK = ("model.diffusion_model.", "joint_blocks.")
T5_KEY = "text_encoders.t5xxl.transformer.shared.weight"
V_PREDICTION_KEY, ZERO_SNR_KEY = "v_pred", "ztsnr"
"""Empty tensors by which checkpoints say so: they name no settings otherwise."""


def is_file_name(base: str) -> bool:
    """Whether a recipe's `model.base` names one file."""
    return base.lower().endswith((SUFFIX, *PICKLES))


def find_config(file: Path, base: str) -> Path:
    """The folder with the configuration of the model that a checkpoint file is one of.

    A folder of the file's name without its ending comes first, then the hub.

    Raises:
        PickledModel: it is no safetensors file by its name.
        ModelUnsupported: it is none by its contents, or of no model known here.
        ModelConfigUnreachable: the configuration cannot be had.
    """
    if file.suffix.lower() != SUFFIX:
        raise PickledModel(base=base)
    reference = name_reference(file, base)
    beside = file.with_suffix("")
    if (beside / "model_index.json").is_file():
        return beside
    try:
        return hub.fetch(reference, None, hub.TEXTS)
    except ModelUnreachable as error:
        raise ModelConfigUnreachable(
            base=base, reference=reference, beside=beside, why=error.details["why"]
        ) from error


def read_shapes(file: Path, base: str) -> dict[str, Any]:
    """Each tensor's name and an object with its `shape`; only the header is read.

    Raises:
        ModelUnsupported: it is no whole safetensors file.
    """
    try:
        with safe_open(file, "pt") as tensors:
            return {
                key: SimpleNamespace(shape=tuple(tensors.get_slice(key).get_shape()))
                for key in list(tensors.keys())
            }
    except (SafetensorError, OSError) as error:
        raise ModelUnsupported(
            base=base, why=f"the file is damaged or cut off ({error})"
        ) from error


def name_reference(file: Path, base: str) -> str:
    """The hub name of the model that the checkpoint's layout is that of.

    Raises:
        ModelUnsupported: there is none that can be trained here.
    """
    from diffusers.loaders.single_file_utils import (
        DIFFUSERS_DEFAULT_PIPELINE_PATHS,
        infer_diffusers_model_type,
    )

    shapes = read_shapes(file, base)
    if not any(key.startswith(NETWORK) for key in shapes):
        why = (
            "it holds no network of a checkpoint in the original layout; it may be a LoRA or a VAE"
        )
        raise ModelUnsupported(base=base, why=why)
    kind = infer_diffusers_model_type(shapes)
    if kind not in KINDS:
        raise ModelUnsupported(base=base, why=f"it is a checkpoint of the kind {kind}")
    reference: str = DIFFUSERS_DEFAULT_PIPELINE_PATHS[kind]["pretrained_model_name_or_path"]
    return reference
