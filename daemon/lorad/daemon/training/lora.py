"""The adapter on a loaded model, through peft: LoRA with its variants, LoHa, LoKr.

Its weights are fp32 whatever the base is. peft gives them the base's precision, in which AdamW's
small steps are lost (diffusers' script has trained bf16 adapters that way).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer

from lorad.daemon.training import keyed
from lorad.daemon.training.families.base import Family
from lorad.daemon.training.layers import (
    ADAPTER,
    Layer,
    Layers,
    components,
    field_name,
    live_name,
    parameters,
    tuners,
)
from lorad.daemon.training.lora_file import read_lora
from lorad.daemon.training.peft_configs import config_of_layers, config_of_recipe
from lorad.daemon.training.targets import (
    Target,
    export_refusals,
    find_targets,
    find_text_targets,
    refuse_idle_patterns,
)
from lorad.shared.errors import LoraUnfit
from lorad.shared.recipe import Recipe


def add_lora(
    family: Family, recipe: Recipe, recipe_folder: Path, *, begins: bool = True
) -> dict[str, torch.nn.Parameter]:
    """Put a fresh adapter, or `lora.init_from`, on the network and the text encoders to train.

    That file is read only where the run `begins`: a checkpoint has all that came of it. The
    parameters are told by name, all in fp32: `unet.down_blocks.….lora_A.default.weight`.

    Raises:
        TargetsMissing: a target names no layer.
        WrongValue: a value of `[lora]` does not fit the model.
        LoraError: the file to begin with cannot be read or does not fit.
    """
    for refusal in export_refusals(recipe, family.name):
        raise refusal
    lora = recipe.lora
    targets: dict[str, dict[str, Target]] = {
        family.network_name: find_targets(family.network, lora)
    }
    if lora.train_text_encoder:
        for component, module in family.text_encoders.items():
            targets[component] = find_text_targets(module, lora)
    refuse_idle_patterns(lora, (name for named in targets.values() for name in named))
    found: dict[str, torch.nn.Parameter] = {}
    for component, module in components(family).items():
        if component not in targets:
            continue
        anchored = component == family.network_name
        config = config_of_recipe(lora, targets[component], anchored=anchored)
        _inject(module, config, recipe.train.seed, component)
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
                found[f"{component}.{name}"] = parameter
    if begins and lora.init_from is not None:
        _begin_with(family, recipe_folder / Path(lora.init_from).expanduser())
    return found


def draws_dropout(recipe: Recipe) -> bool:
    """Whether the adapter's forward draws from the global generator: then call `seed_dropout`.

    LoHa and LoKr do in peft even without dropout.
    """
    return recipe.lora.dropout > 0 or recipe.lora.type != "lora"


def seed_dropout(seed: int, step: int, micro: int, process: int = 0) -> None:
    """Make the dropout of one forward a function of its place alone; call it just before.

    peft's dropout has no generator of its own, it draws from torch's. Gradient checkpointing puts
    that one back by itself when it goes through the layers again.
    """
    torch.manual_seed(keyed.key(seed, "dropout", step, micro, process))


def attach(module: torch.nn.Module, component: str, layers: dict[str, Layer]) -> None:
    """Put a file's adapter on a loaded network or text encoder, to draw with it or to merge it.

    Raises:
        LoraUnfit: it has layers that the module lacks, or of other shapes.
        LoraUnreadable: it mixes types.
    """
    named = {live_name(component, module, name): layer for name, layer in layers.items()}
    known = dict(module.named_modules())
    if missing := [name for name in named if name not in known]:
        raise LoraUnfit(path="The LoRA", why=f"{component} has no layer {missing[0]}")
    inject_adapter_in_model(config_of_layers(named, component), module, ADAPTER)
    live = tuners(module)
    for name, layer in named.items():
        _put(live[name], f"{component}.{name}", layer)


def _inject(module: Any, config: Any, seed: int, component: str) -> None:
    """Peft draws first weights from the global generator, which is put back after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(keyed.key(seed, f"lora/{component}"))
        module.add_adapter(config, ADAPTER)
    for layer in tuners(module).values():
        # peft would cast each input up to fp32 for autocast to cast it down again.
        layer.cast_input_dtype_enabled = False


def _put(tuner: Any, name: str, layer: Layer) -> None:
    """A file's tensors in place of one layer's own.

    Raises:
        LoraUnfit: they are of another shape.
    """
    weight = tuner.get_base_layer().weight
    if isinstance(tuner, LoraLayer):
        _copy(parameters(tuner), layer.parts, name)
    else:
        for part in tuner.adapter_layer_names:
            getattr(tuner, part).clear()
        for part, tensor in layer.parts.items():
            # LoKr's parts depend on more than the file tells: what it has is what is right.
            getattr(tuner, part)[ADAPTER] = torch.nn.Parameter(tensor.to(weight.device))
        try:
            tuner.get_delta_weight(ADAPTER)
        except RuntimeError as error:
            raise LoraUnfit(path="The LoRA", why=f"{name} has another shape") from error
    tuner.scaling[ADAPTER] = layer.scale


def _copy(live: dict[str, torch.Tensor], parts: dict[str, torch.Tensor], name: str) -> None:
    for part, tensor in parts.items():
        if live[part].shape != tensor.shape:
            shapes = f"{list(tensor.shape)} where {list(live[part].shape)} is wanted"
            raise LoraUnfit(path="The LoRA", why=f"{part} of {name} is {shapes}")
        with torch.no_grad():
            live[part].copy_(tensor)


def _begin_with(family: Family, path: Path) -> None:
    """Take a file's weights for the first ones; another alpha than the recipe's goes into them.

    Raises:
        LoraError: it cannot be read, or has other layers, ranks or types than the recipe.
    """
    per_block = getattr(getattr(family.network, "config", None), "layers_per_block", 2)
    layers = read_lora(path, per_block if isinstance(per_block, int) else 2).layers
    live = {component: tuners(module) for component, module in components(family).items()}
    try:
        _refuse_others(layers, live)
        for component, named in live.items():
            for name, tuner in named.items():
                layer = layers[component][field_name(component, name)]
                _begin_layer(tuner, f"{component}.{name}", layer)
    except LoraUnfit as error:
        raise LoraUnfit(path=path, why=f"{error.details['why']}, by this recipe") from None


def _begin_layer(tuner: Any, name: str, layer: Layer) -> None:
    own = parameters(tuner)
    if own.keys() != layer.parts.keys():
        why = f"{name} has {', '.join(layer.parts)} where {', '.join(own)} are wanted"
        raise LoraUnfit(path="The LoRA", why=why)
    _copy(own, layer.rescaled(float(tuner.scaling[ADAPTER])).parts, name)


def _refuse_others(layers: Layers, live: dict[str, dict[str, BaseTunerLayer]]) -> None:
    """Raise LoraUnfit unless the file has the very layers that are to be trained."""
    ours = {
        f"{component}.{field_name(component, name)}"
        for component, named in live.items()
        for name in named
    }
    theirs = {f"{component}.{name}" for component, named in layers.items() for name in named}
    if lacking := sorted(ours - theirs):
        why = f"it lacks {len(lacking)} layers that are to be trained, such as {lacking[0]}"
        raise LoraUnfit(path="The LoRA", why=why)
    if more := sorted(theirs - ours):
        why = f"it has {len(more)} layers that are not to be trained, such as {more[0]}"
        raise LoraUnfit(path="The LoRA", why=why)
