"""The number format of matrix products and convolutions in training; everything else is always float32.

tf32: NVIDIA's 19-bit products inside CUDA's float32 routines, a switch of the whole process. bf16: the networks of a
variant run under `torch.autocast` and hand on float32, so that costs, the KL term and whatever else a plugin writes in
`loss`, parameters, gradients and the optimiser's state stay float32. `torch.vmap` goes past autocast (tried, torch
2.14: vectorised products stay float32), so the factors of products are cast before either of them sees the call.
"""

from __future__ import annotations

import collections
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: Functions whose tensors are cast to bfloat16, and those that are given float32, by name, as autocast has them.
_PRODUCTS = frozenset({
    "linear", "bilinear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "addmv", "addbmm",
    "baddbmm", "einsum", "scaled_dot_product_attention", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d",
})  # fmt: skip
_SENSITIVE = frozenset({
    "layer_norm", "group_norm", "batch_norm", "instance_norm", "rms_norm", "normalize", "softmax", "log_softmax",
    "logsumexp",
})  # fmt: skip


@contextlib.contextmanager
def tf32_products(precision: str, device: torch.device) -> Iterator[None]:
    """Let float32 products on CUDA round their factors to TF32 where `precision` is "tf32", and only there.

    Undone afterwards. torch lets convolutions do so by default, which "float32" must not mean. It changes nothing on a
    CPU, which has no such products.
    """
    if device.type != "cuda":
        yield
        return
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextlib.contextmanager
def network_products(precision: str, model: nn.Module, device: torch.device) -> Iterator[None]:
    """Run the networks of `model` (its child modules) under autocast where `precision` is "bf16"; undone afterwards.

    Their outputs are float32 again, and so are the gradients of their parameters.
    """
    if precision != "bf16":
        yield
        return
    networks = list(_networks(model))
    own = [vars(network).get("forward") for network in networks]
    try:
        for network in networks:
            network.forward = functools.partial(_in_bfloat16, network.forward, device.type)
        yield
    finally:
        for network, forward in zip(networks, own, strict=True):
            if forward is not None:
                network.forward = forward
            else:
                vars(network).pop("forward", None)


def _networks(module: nn.Module) -> Iterator[nn.Module]:
    """Child modules that are called; lists and dictionaries of modules are not, their entries are."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _networks(child)
        else:
            yield child


def _in_bfloat16(forward: Callable[..., Any], device_type: str, *inputs: Any, **options: Any) -> Any:
    # Without the cache of casts, which would outlive a recording of the step; a weight is cast where it is used.
    with torch.autocast(device_type, dtype=torch.bfloat16, cache_enabled=False), _Casts():
        outputs = forward(*inputs, **options)
    return _cast(torch.float32, outputs)


class _Casts(TorchFunctionMode):
    """Casts the tensors that products and sensitive functions are given."""

    def __torch_function__(self, function, types, inputs=(), options=None):
        options = options or {}
        name = getattr(function, "__name__", "")
        dtype = torch.bfloat16 if name in _PRODUCTS else torch.float32 if name in _SENSITIVE else None
        if dtype is not None:
            inputs, options = _cast(dtype, (tuple(inputs), options))
        return function(*inputs, **options)


def _cast(dtype: torch.dtype, value: Any) -> Any:
    """float32 and bfloat16 tensors as `dtype`, also those in tuples, lists and dictionaries; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.dtype in (torch.float32, torch.bfloat16) else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_cast(dtype, one) for one in value))
    if type(value) in (tuple, list):
        return type(value)(_cast(dtype, one) for one in value)
    if type(value) in (dict, collections.OrderedDict):
        return type(value)((name, _cast(dtype, one)) for name, one in value.items())
    return value
