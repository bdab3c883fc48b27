"""Frozen convolutions on a CPU, with their weights laid out for oneDNN once.

torch lays the weights of a convolution out anew in every call, forwards and backwards, which on
small pictures costs as much as the convolution. A frozen layer's need it only once. The way back
to the input of a convolution of stride 1 is a convolution too, with the kernel turned round and
inputs and outputs exchanged (Dumoulin and Visin 2016, arXiv 1603.07285, section 4), so it gets
weights of its own. The numbers are those of torch's own convolution, bit for bit going forwards.
"""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakValueDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PACK_LIMIT = 512 * 2**20
"""Bytes of convolutions up to which they are packed: it takes as much again, twice. Large models
are trained on large pictures, where the layout costs little."""

_lay_out: Any = torch.ops.mkldnn._reorder_convolution_weight.default
_convolve: Any = torch.ops.mkldnn._convolution_pointwise.default
_backward: Any = torch.ops.aten.convolution_backward.default
ONE = (1, 1)


def pack(module: nn.Module) -> int:
    """Let every frozen fp32 convolution in `module` use packed weights; how many do.

    What comes in under autocast or in another precision goes the way it went before.
    """
    mkldnn: Any = torch.backends.mkldnn  # which torch leaves untyped
    if not mkldnn.is_available() or not mkldnn.enabled:
        return 0
    found: list[Any] = [layer for layer in module.modules() if _fits(layer)]
    if sum(layer.weight.nbytes for layer in found) > PACK_LIMIT:
        return 0
    for layer in found:
        point = layer.kernel_size == ONE
        layer.forward = PointConvolution(layer) if point else PackedConvolution(layer)
    return len(found)


def _fits(layer: Any) -> bool:
    if type(layer) is not nn.Conv2d:
        return False
    point = layer.kernel_size == ONE
    return (
        layer.weight.device.type == "cpu"
        and layer.weight.dtype == torch.float32
        and not layer.weight.requires_grad
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and not (point and (layer.stride != ONE or any(layer.padding)))
    )


def _precise(x: Tensor) -> bool:
    return x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


class PointConvolution:
    """A 1x1 convolution as what it is, a linear layer over the channels."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        """`x` [n, in, h, w]; the result [n, out, h, w], with the channels last in memory."""
        layer = self.layer
        if not _precise(x):
            return nn.Conv2d.forward(layer, x)
        weight = layer.weight.view(layer.out_channels, layer.in_channels)
        return F.linear(x.permute(0, 2, 3, 1), weight, layer.bias).permute(0, 3, 1, 2)


_ways: WeakValueDictionary[int, PackedConvolution] = WeakValueDictionary()
"""By number, since a compiled graph holds numbers and tensors; gone with their network."""
_numbers = itertools.count()


class PackedConvolution:
    """A convolution of any other size."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer
        self.weight: Tensor | None = None
        """As oneDNN wants it; opaque to torch."""
        self.turned: Tensor | None = None
        """The same for the way back; none where the stride is not 1."""
        self.turned_padding = ONE
        self.number = next(_numbers)
        _ways[self.number] = self

    def __call__(self, x: Tensor) -> Tensor:
        """`x` [n, in, h, w]; the result [n, out, h', w']."""
        if not _precise(x):
            return nn.Conv2d.forward(self.layer, x)
        if torch.compiler.is_compiling():
            # The compiler cannot look into packed weights; it is given two closed operators.
            return _forth(x, self.number)  # type: ignore[no-any-return]
        if self.weight is None:
            self._lay_out(x.shape)
        if x.requires_grad and torch.is_grad_enabled():
            return _convolution(x, self)  # type: ignore[no-any-return]
        return self.forth(x)

    def _lay_out(self, shape: torch.Size) -> None:
        # The layout is the best one for pictures of this shape. Other shapes are laid out again in
        # each call, and the numbers are the same either way.
        layer: Any = self.layer
        n, _, height, width = shape
        weight = layer.weight.detach().contiguous()
        self.weight = _lay_out(weight, layer.padding, layer.stride, layer.dilation, 1, list(shape))
        padding = tuple(
            dilation * (size - 1) - pad
            for dilation, size, pad in zip(
                layer.dilation, layer.kernel_size, layer.padding, strict=True
            )
        )
        if layer.stride == ONE and min(padding) >= 0:
            turned = weight.flip(2, 3).transpose(0, 1).contiguous()
            out = [n, layer.out_channels, height, width]
            self.turned = _lay_out(turned, padding, ONE, layer.dilation, 1, out)
            self.turned_padding = padding

    def forth(self, x: Tensor) -> Tensor:
        """The convolution itself."""
        at = self.layer
        result: Tensor = _convolve(
            x, self.weight, at.bias, at.padding, at.stride, at.dilation, 1, "none", [], ""
        )
        return result

    def back(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of an input of this shape."""
        at: Any = self.layer
        how: tuple[Any, ...]
        if self.turned is not None:
            how = (self.turned_padding, ONE, at.dilation, 1, "none", [], "")
            return _convolve(gradient, self.turned, None, *how)  # type: ignore[no-any-return]
        like = gradient.new_empty(1).expand(shape)  # only its shape is read
        how = (at.stride, at.padding, at.dilation, False, (0, 0), 1, (True, False, False))
        return _backward(gradient, like, at.weight, None, *how)[0]  # type: ignore[no-any-return]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, way: PackedConvolution) -> Tensor:
        ctx.way, ctx.shape = way, x.shape
        return way.forth(x)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.way.back(gradient, ctx.shape), None


_convolution: Any = _Convolution.apply  # which torch leaves untyped


@torch.library.custom_op("lorad::convolution", mutates_args=())
def _forth(x: Tensor, number: int) -> Tensor:
    way = _ways[number]
    if way.weight is None:
        way._lay_out(x.shape)
    return way.forth(x).contiguous(memory_format=torch.channels_last)


@torch.library.custom_op("lorad::convolution_back", mutates_args=())
def _back(gradient: Tensor, number: int, shape: list[int]) -> Tensor:
    found = _ways[number].back(gradient, torch.Size(shape))
    return found.contiguous(memory_format=torch.channels_last)


@_forth.register_fake
def _(x: Tensor, number: int) -> Tensor:
    at: Any = _ways[number].layer
    sides = [
        (x.shape[2 + i] + 2 * at.padding[i] - at.dilation[i] * (at.kernel_size[i] - 1) - 1)
        // at.stride[i]
        + 1
        for i in (0, 1)
    ]
    return _channels_last(x, [x.shape[0], at.out_channels, *sides])


@_back.register_fake
def _(gradient: Tensor, number: int, shape: list[int]) -> Tensor:
    return _channels_last(gradient, shape)


def _channels_last(like: Tensor, shape: list[int]) -> Tensor:
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )


def _keep(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
    x, ctx.number = inputs
    ctx.shape = list(x.shape)


def _turn(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return _back(gradient, ctx.number, ctx.shape), None


_forth.register_autograd(_turn, setup_context=_keep)
