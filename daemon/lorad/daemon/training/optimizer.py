"""What moves the adapter, and its whole state as tensors and JSON."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from lorad.shared.errors import OptimizerMissing, WrongValue
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)
Parameters = dict[str, torch.nn.Parameter]
SETTINGS = frozenset({"params", "lr", "initial_lr"})
"""What a group holds that the recipe decides; everything else may be the optimiser's own."""


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate."""

    parameters: list[torch.nn.Parameter]
    learning_rate: float


def make_groups(parameters: Parameters, recipe: Recipe) -> list[Group]:
    """The network's parameters, and after them the text encoders' if there are any."""
    text = [p for name, p in parameters.items() if name.startswith("text_encoder")]
    network = [p for name, p in parameters.items() if not name.startswith("text_encoder")]
    rate = recipe.train.learning_rate
    groups = [Group(network, rate), Group(text, recipe.train.text_encoder_lr or rate)]
    return [group for group in groups if group.parameters]


def refuse_optimizer(recipe: Recipe, device_type: str) -> None:
    """Refuse an optimiser that this device or these packages cannot do.

    Raises:
        OptimizerMissing: its package is not installed.
        WrongValue: it does not go with this kind of device.
    """
    kind = recipe.optimizer.type
    if kind == "adamw8bit" and device_type == "cpu":
        raise WrongValue(key="optimizer.type", why='adamw8bit needs a GPU; use "adamw"')
    if kind in PACKAGES:
        _load(kind)


def make_optimizer(
    groups: list[Group], recipe: Recipe, device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser that the recipe names, ready to step.

    Raises:
        OptimizerMissing: its package is not installed.
        WrongValue: it does not go with this device or these learning rates.
    """
    refuse_optimizer(recipe, device.type)
    kind = recipe.optimizer.type
    if kind == "prodigy" and recipe.train.learning_rate < 0.1:
        log.warning(
            "prodigy finds the learning rate itself and multiplies it by train.learning_rate,"
            " which is usually 1.0; it is %g",
            recipe.train.learning_rate,
        )
    made: list[dict[str, Any]] = [
        {"params": g.parameters, "lr": g.learning_rate, "initial_lr": g.learning_rate}
        for g in groups
    ]
    optimizer: torch.optim.Optimizer = _MAKERS[kind](made, recipe)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """For the next step: each group's own rate times the schedule's factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def repeats_exactly(recipe: Recipe, device_type: str) -> str | None:
    """Why the recipe's optimiser need not give the same bits again; none: it does."""
    if recipe.optimizer.type == "adamw8bit" and device_type != "cpu":
        return "adamw8bit's kernels need not repeat bit for bit"
    return None


def optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: Parameters
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """All that an optimiser has gathered: tensors by `part/parameter`, and the rest for JSON.

    The tensors are copies on the host. The rest is `groups`, what each one holds that differs from
    how it was made (Prodigy's estimate, schedule-free's sum of weights), and `state`, plain numbers
    by parameter and part.

    Raises:
        TypeError: the optimiser keeps something that is neither tensor nor plain.
    """
    tensors: dict[str, torch.Tensor] = {}
    state: dict[str, dict[str, Any]] = {}
    for name, parameter in parameters.items():
        for part, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, torch.Tensor):
                # A copy, since 8-bit states share their tables, which safetensors refuses.
                tensors[f"{part}/{name}"] = value.detach().to("cpu", copy=True).contiguous()
            else:
                state.setdefault(name, {})[part] = _plain(value)
    groups = [
        {
            key: _plain(value)
            for key, value in group.items()
            if key not in SETTINGS
            and (key not in optimizer.defaults or value != optimizer.defaults[key])
        }
        for group in optimizer.param_groups
    ]
    return tensors, {"groups": groups, "state": state}


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Parameters,
    tensors: dict[str, torch.Tensor],
    rest: dict[str, Any],
) -> None:
    """Put back what `optimizer_state` took, bit for bit.

    torch's own `load_state_dict` would cast every state to its parameter's dtype.
    """
    optimizer.state.clear()
    hosted = {
        p for group in optimizer.param_groups if not _on_device(group) for p in group["params"]
    }
    for key, value in tensors.items():
        part, _, name = key.partition("/")
        parameter = parameters[name]
        # The step counter lives on the host unless a fused kernel reads it.
        home = "cpu" if part == "step" and parameter in hosted else parameter.device
        optimizer.state[parameter][part] = _like(parameter, value).to(home)
    for name, parts in rest["state"].items():
        optimizer.state[parameters[name]].update(
            {part: _unplain(value) for part, value in parts.items()}
        )
    made = {key: value for key, value in optimizer.defaults.items() if key not in SETTINGS}
    for group, saved in zip(optimizer.param_groups, rest["groups"], strict=True):
        group.update(made | {key: _unplain(value) for key, value in saved.items()})


def _on_device(group: dict[str, Any]) -> bool:
    return bool(group.get("fused") or group.get("capturable"))


def _like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A copy in the parameter's memory format, if it has its shape."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)


def _plain(value: object) -> Any:
    """For JSON, which writes finite floats so that they read back the same, and no others."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"an optimiser keeps a {type(value).__name__}, which no checkpoint holds")


def _unplain(value: Any) -> Any:
    return float(value["float"]) if isinstance(value, dict) else value


PACKAGES = {
    "adamw8bit": ("bitsandbytes.optim", "AdamW8bit"),
    "prodigy": ("prodigyopt", "Prodigy"),
    "schedulefree": ("schedulefree", "AdamWScheduleFree"),
    "lion": ("lion_pytorch.foreach", "Lion"),
}
"""Module and class of optimisers whose packages not everybody needs."""


def _load(kind: str) -> Any:
    """The class of a package that not everybody needs.

    Raises:
        OptimizerMissing: it is not installed.
    """
    module, name = PACKAGES[kind]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise OptimizerMissing(type=kind, package=package, why=error) from error


def _common(recipe: Recipe) -> dict[str, Any]:
    options = recipe.optimizer
    return {
        "lr": recipe.train.learning_rate,
        "betas": (options.adam_beta1, 0.999 if options.adam_beta2 is None else options.adam_beta2),
        "weight_decay": options.adam_weight_decay,
        "eps": options.adam_epsilon,
    }


def _adamw(groups: list[dict[str, Any]], recipe: Recipe) -> Any:
    """Loshchilov and Hutter 2019 (arXiv 1711.05101)."""
    # One kernel: for an adapter's many small tensors a third of foreach's time, on a CPU as well.
    return torch.optim.AdamW(groups, **_common(recipe), fused=True)


def _adamw8bit(groups: list[dict[str, Any]], recipe: Recipe) -> Any:
    """Dettmers et al. 2022 (arXiv 2110.02861)."""
    made: Any = _load("adamw8bit")
    return made(groups, **_common(recipe))


def _adafactor(groups: list[dict[str, Any]], recipe: Recipe) -> Any:
    """Shazeer and Stern 2018 (arXiv 1804.04235), at the recipe's learning rate.

    transformers' rather than torch's, which always scales its steps by the size of the weights: an
    adapter's begin at 0.
    """
    from transformers.optimization import Adafactor

    return Adafactor(
        groups,
        lr=recipe.train.learning_rate,
        weight_decay=recipe.optimizer.adam_weight_decay,
        scale_parameter=False,
        relative_step=False,
        warmup_init=False,
    )


def _prodigy(groups: list[dict[str, Any]], recipe: Recipe) -> Any:
    """Mishchenko and Defazio 2023 (arXiv 2306.06101)."""
    options = recipe.optimizer
    made: Any = _load("prodigy")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how it decays
        return made(
            groups,
            **_common(recipe),
            beta3=options.prodigy_beta3,
            decouple=options.prodigy_decouple,
            use_bias_correction=options.prodigy_use_bias_correction,
            safeguard_warmup=options.prodigy_safeguard_warmup,
            d_coef=options.prodigy_d_coef,
        )


def _schedulefree(groups: list[dict[str, Any]], recipe: Recipe) -> Any:
    """Defazio et al. 2024 (arXiv 2405.15682)."""
    made: Any = _load("schedulefree")
    optimizer = made(groups, **_common(recipe))
    optimizer.train()  # it refuses to step otherwise
    return optimizer


def _lion(groups: list[dict[str, Any]], recipe: Recipe) -> Any:
    """Chen et al. 2023 (arXiv 2302.06675)."""
    made: Any = _load("lion")
    options = recipe.optimizer
    beta2 = 0.99 if options.adam_beta2 is None else options.adam_beta2
    return made(
        groups,
        lr=recipe.train.learning_rate,
        betas=(options.adam_beta1, beta2),
        weight_decay=options.adam_weight_decay,
    )


_MAKERS: dict[str, Callable[[list[dict[str, Any]], Recipe], Any]] = {
    "adamw": _adamw,
    "adamw8bit": _adamw8bit,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "schedulefree": _schedulefree,
    "lion": _lion,
}
