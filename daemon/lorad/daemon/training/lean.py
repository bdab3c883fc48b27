"""The same arithmetic in fewer operators, for networks whose steps are mostly overhead.

A LoRA layer of peft's is eight operators forwards and a dozen nodes backwards; here it is three
and five. diffusers' attention looks its processor's signature up in every call and, like its
residual blocks, divides by 1. Each way here is for the plain case and asks in each call whether it
still is one: an adapter that is off, merged or one of several goes peft's way, attention with a
mask goes diffusers'.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.resnet import ResnetBlock2D
from peft.tuners.lora.layer import Conv2d as LoraConv2d
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import Tensor, nn

from lorad.daemon.training.packed import pack


def make_lean(module: nn.Module) -> int:
    """Let the layers of a network, or of a text encoder, take the short ways; how many do.

    To be called once the adapter is on. For fp32 on a CPU: nothing else has been measured.
    """
    layers: list[Any] = list(module.modules())
    count = pack(module)
    for layer in layers:
        for fits, way in WAYS:
            if fits(layer):
                layer.forward = way(layer)
                count += 1
                break
    return count


def _is_lora_linear(layer: Any) -> bool:
    return type(layer) is LoraLinear and _is_lora(layer, nn.Linear)


def _is_lora_convolution(layer: Any) -> bool:
    return type(layer) is LoraConv2d and _is_lora(layer, nn.Conv2d)


def _is_lora(layer: Any, base: type[nn.Module]) -> bool:
    """Whether it has one plain LoRA on a frozen fp32 layer of this kind."""
    if len(layer.lora_A) != 1 or layer.lora_variant or type(layer.base_layer) is not base:
        return False
    (name,) = layer.lora_A
    weight = layer.base_layer.weight
    return (
        isinstance(layer.lora_dropout[name], nn.Identity)
        and layer.lora_A[name].bias is None
        and layer.lora_B[name].bias is None
        and not weight.requires_grad
        and weight.device.type == "cpu"
        and {weight.dtype, layer.lora_A[name].weight.dtype} == {torch.float32}
    )


class _LeanLora:
    """What both kinds share."""

    def __init__(self, layer: Any) -> None:
        (self.name,) = layer.lora_A
        self.layer, self.base = layer, layer.base_layer
        self.down, self.up = layer.lora_A[self.name], layer.lora_B[self.name]
        self.long_way = layer.forward

    def plain(self, x: Tensor) -> bool:
        """Whether just this adapter is to be added, in fp32."""
        layer = self.layer
        return (
            not layer.disable_adapters
            and not layer.merged
            and layer.active_adapters == [self.name]
            and x.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
        )


class LeanLinear(_LeanLora):
    """A linear layer with its LoRA."""

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`x` [..., in]; the result [..., out]."""
        if args or kwargs or not self.plain(x):
            return self.long_way(x, *args, **kwargs)  # type: ignore[no-any-return]
        frozen = self.base.weight, self.base.bias, self.layer.scaling[self.name]
        return _lora(x, self.down.weight, self.up.weight, *frozen)  # type: ignore[no-any-return]


class _Lora(torch.autograd.Function):
    """y = x W' + bias + scale (x A') B', Hu et al. 2021 (arXiv 2106.09685), equation 3."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, down: Tensor, up: Tensor, *frozen: Any) -> Tensor:
        weight, bias, scale = frozen
        rows = x.reshape(-1, x.shape[-1])
        result = F.linear(rows, weight, bias)
        low = torch.mm(rows, down.t())
        result.addmm_(low, up.t(), alpha=scale)
        ctx.save_for_backward(rows, low, down, up)
        ctx.weight, ctx.scale, ctx.shape = weight, scale, x.shape
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, down, up = ctx.saved_tensors
        gradient = gradient.reshape(-1, gradient.shape[-1])
        to_low = torch.mm(gradient, up)
        to_up = torch.mm(gradient.t(), low)
        if ctx.scale != 1:
            to_low.mul_(ctx.scale)
            to_up.mul_(ctx.scale)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = torch.mm(gradient, ctx.weight).addmm_(to_low, down).view(ctx.shape)
        return to_x, torch.mm(to_low.t(), rows), to_up, None, None, None


_lora: Any = _Lora.apply  # which torch leaves untyped


class LeanConvolution(_LeanLora):
    """A convolution with its LoRA."""

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """`x` [n, in, h, w]; the result [n, out, h', w']."""
        if args or kwargs or not self.plain(x):
            return self.long_way(x, *args, **kwargs)  # type: ignore[no-any-return]
        scale = self.layer.scaling[self.name]
        return torch.add(self.base(x), self.up(self.down(x)), alpha=scale)


def _is_attention(layer: Any) -> bool:
    """Whether it is nothing but attention between linear layers."""
    return (
        type(layer) is Attention
        and type(layer.processor) is AttnProcessor2_0
        and (layer.spatial_norm, layer.group_norm, layer.norm_q, layer.norm_k) == (None,) * 4
        and not (layer.norm_cross or layer.residual_connection)
        and layer.rescale_output_factor == 1
        and len(layer.to_out) == 2
        and layer.to_out[1].p == 0
    )


class LeanAttention:
    """diffusers' `AttnProcessor2_0`, without what the plain case does not need."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.long_way = layer, layer.forward

    def __call__(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """`hidden_states` [n, tokens, width]; the result alike."""
        at = self.layer
        special = attention_mask is not None or hidden_states.ndim != 3 or kwargs
        if special or type(at.processor) is not AttnProcessor2_0:
            return self.long_way(  # type: ignore[no-any-return]
                hidden_states, encoder_hidden_states, attention_mask, **kwargs
            )
        others = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        n = hidden_states.shape[0]
        query, key, value = (
            projected.view(n, -1, at.heads, projected.shape[-1] // at.heads).transpose(1, 2)
            for projected in (at.to_q(hidden_states), at.to_k(others), at.to_v(others))
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        result: Tensor = at.to_out[0](mixed)
        return result


def _is_residual(layer: Any) -> bool:
    """Whether it is a residual block as Stable Diffusion's U-Nets have them."""
    return (
        type(layer) is ResnetBlock2D
        and (layer.upsample, layer.downsample) == (None, None)
        and layer.time_emb_proj is not None
        and layer.time_embedding_norm == "default"
        and not layer.skip_time_act
        and layer.dropout.p == 0
        and layer.output_scale_factor == 1
    )


class LeanResidual:
    """diffusers' `ResnetBlock2D`, and the picture stays in the memory format that it came in."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(self, input_tensor: Tensor, temb: Tensor) -> Tensor:
        """`input_tensor` [n, in, h, w], `temb` [n, width]; the result [n, out, h, w]."""
        at = self.layer
        hidden = at.conv1(at.nonlinearity(at.norm1(input_tensor)))
        hidden = hidden + at.time_emb_proj(at.nonlinearity(temb))[:, :, None, None]
        hidden = at.conv2(at.nonlinearity(at.norm2(hidden)))
        if at.conv_shortcut is not None:
            input_tensor = at.conv_shortcut(input_tensor)
        result: Tensor = input_tensor + hidden
        return result


WAYS: tuple[tuple[Any, Any], ...] = (
    (_is_lora_linear, LeanLinear),
    (_is_lora_convolution, LeanConvolution),
    (_is_attention, LeanAttention),
    (_is_residual, LeanResidual),
)
"""What fits a layer, and the way that it then takes."""
