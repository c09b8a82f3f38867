"""K models of one variant as one: losses of all seeds in one vectorised call, gradients by one backward pass.

The sum of the K losses has, for each seed's parameters, just that seed's gradient, so ordinary autograd on the stacked
parameters serves all seeds and all players; only the forward pass runs under `torch.vmap`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.utils.flop_counter import FlopCounterMode

from bench.contracts.variant import Batch, Variant
from bench.errors import PluginError
from bench.seeding import CPU_GROUP, GPU_GROUP
from bench.train.batches import Rows
from bench.train.noise import NoiseSource, PlannedDraw, RecordingDraw, Request


class _LossModule(nn.Module):
    """A module whose forward is the variant's loss, so that `functional_call` reaches every method of the variant."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant

    def forward(self, x, y, progress, n_train, requests, noise):
        return self.variant.loss(Batch(x, y, progress, n_train), PlannedDraw(requests, noise))


class Stack:
    """K models with stacked parameters (K, ...) and a vectorised loss; K = 1 runs the plain model.

    Args:
        models: K attached variants, equal but for their weights, on one device.
        n_train: number of training examples, passed on in each batch.
    """

    def __init__(self, models: Sequence[Variant], n_train: int) -> None:
        self.models = list(models)
        self.width = len(self.models)
        self.n_train = n_train
        self._plans: dict[tuple, list[Request]] = {}
        self._module = _LossModule(self.models[0])
        if self.width == 1:
            self.parameters = dict(self.models[0].named_parameters())
            self.buffers = dict(self.models[0].named_buffers())
            return
        for module in self.models[0].modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # vectorised, it would cost five copies in the backward pass
        parameters, self.buffers = stack_module_state(self.models)
        self.parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}

    def requests(self, x: Tensor, y: Tensor | None, progress: Tensor) -> list[Request]:
        """What the loss asks of `draw` for one seed's batch x (B, ...), found by one call on the first model."""
        key = (tuple(x.shape), self.models[0].training)
        if key not in self._plans:
            draw = RecordingDraw(x.device)
            model = self.models[0]
            kept = [buffer.clone() for buffer in model.buffers()]
            with torch.no_grad() if model.stackable else torch.enable_grad():
                terms = model.loss(Batch(x, y, progress, self.n_train), draw)
            for buffer, value in zip(model.buffers(), kept, strict=True):
                buffer.copy_(value)  # a rehearsal must not move running statistics
            check_terms(terms, len(x), type(model))
            self._plans[key] = draw.requests
        return self._plans[key]

    def terms(
        self,
        x: Tensor,
        y: Tensor | None,
        progress: Tensor,
        requests: Sequence[Request],
        noise: Sequence[Tensor],
        parameters: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Loss terms (K, B) of batches x (K, B, *data_shape), y (K, B) or None, and draws (K, *shape).

        `parameters` stand in for the live ones.
        """
        live = self.parameters if parameters is None else parameters
        if self.width == 1:
            label = None if y is None else y[0]
            inputs = (x[0], label, progress, self.n_train, requests, [tensor[0] for tensor in noise])
            if live is self.parameters:
                terms = self._module(*inputs)
            else:
                state = {f"variant.{name}": value for name, value in live.items()}
                terms = functional_call(self._module, state, inputs)
            return {name: value.unsqueeze(0) for name, value in terms.items()}

        def one(parameters, buffers, x, y, noise):
            state = {f"variant.{name}": value for name, value in {**parameters, **buffers}.items()}
            return functional_call(self._module, state, (x, y, progress, self.n_train, requests, noise))

        labels_dim = None if y is None else 0
        vectorised = torch.vmap(one, in_dims=(0, 0, 0, labels_dim, 0), randomness="error")
        return vectorised(live, self.buffers, x, y, list(noise))

    def train_mode(self, training: bool) -> None:
        """Switch every model between training and evaluation behaviour (batch normalisation, dropout)."""
        for model in self.models:
            model.train(training)

    @property
    def recordable(self) -> bool:
        """Whether calls may be recorded (`bench.train.replay`): running statistics would move twice in a trial."""
        return type(self.models[0]).stackable and not self.buffers

    def split(self, tensors: Sequence[Tensor]) -> tuple[dict[str, Tensor], Sequence[Tensor]]:
        """Tensors of which the first stand for the parameters: these by name (the live ones as they are), the rest."""
        n = len(self.parameters)
        live = all(one is other for one, other in zip(self.parameters.values(), tensors[:n], strict=True))
        return self.parameters if live else dict(zip(self.parameters, tensors[:n], strict=True)), tensors[n:]

    def state(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, stacked (K, ...), detached; views of the live values."""
        live = {**self.parameters, **self.buffers}
        return {name: (value[None] if self.width == 1 else value).detach() for name, value in live.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Copy stacked values (K, ...) into the live parameters and buffers."""
        with torch.no_grad():
            for name, value in self.state().items():
                value.copy_(state[name])

    def unstack(self, state: dict[str, Tensor]) -> list[Variant]:
        """The K models, each with its own values of `state` (K, ...)."""
        with torch.no_grad():
            for index, model in enumerate(self.models):
                live = {**dict(model.named_parameters()), **dict(model.named_buffers())}
                for name, value in live.items():
                    value.copy_(state[name][index])
        return self.models


def check_terms(terms: object, rows: int, variant: type) -> None:
    """Raise `PluginError` unless `terms` is what `Variant.loss` promises: a dict of (B,) tensors with "loss"."""
    name = variant.__name__
    if not isinstance(terms, dict) or "loss" not in terms:
        raise PluginError(f"{name}.loss must return a dict with the key 'loss', not {type(terms).__name__}")
    for player in variant.players:
        if player not in terms:
            raise PluginError(f"{name}.loss returns no term {player!r}, which its players name")
    for key, value in terms.items():
        if not isinstance(value, Tensor):
            raise PluginError(f"{name}.loss: term {key!r} is a {type(value).__name__}, not a tensor of shape ({rows},)")
        if tuple(value.shape) != (rows,):
            raise PluginError(f"{name}.loss: term {key!r} has shape {tuple(value.shape)}, expected ({rows},)")
        if not value.is_floating_point():
            raise PluginError(f"{name}.loss: term {key!r} has type {value.dtype}, expected a floating-point type")


def flops_per_step(model: Variant, rows: Rows, batch_size: int, device: torch.device) -> int:
    """Operations of one forward and backward pass of every player's term of `model` on one batch of `rows`.

    Matrix products and convolutions count, elementwise work does not (`torch.utils.flop_counter`). The gradients of
    `model` are left set; give a model that is not trained.
    """
    stack = Stack([model], len(rows))
    x, y = rows.gather(torch.arange(batch_size, device=device))
    progress = torch.zeros((), device=device)
    requests = stack.requests(x, y, progress)
    noise = NoiseSource([0], device, "flops").at(0, 0, requests, False)
    players = tuple(type(model).players)
    with FlopCounterMode(display=False) as counter:
        terms = stack.terms(x[None], None if y is None else y[None], progress, requests, noise)
        for player in players:
            terms[player].mean().backward(retain_graph=player != players[-1])
    return counter.get_total_flops()


#: On a CPU, networks with more multiply-adds per example than this fill the cores alone and are not stacked.
CPU_PARAMETERS = 400_000


def stack_width(seeds: int, n_parameters: int, stackable: bool, convolutional: bool, device: torch.device) -> int:
    """Seeds per stack at most for a model of `n_parameters`: 1 where stacking was measured not to be faster."""
    if not stackable:
        return 1
    if device.type == "cpu" and (convolutional or n_parameters > CPU_PARAMETERS):
        return 1
    return min(seeds, CPU_GROUP if device.type == "cpu" else GPU_GROUP)


def is_convolutional(model: torch.nn.Module) -> bool:
    """Whether a model holds a convolution."""
    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.ConvTranspose2d)
    return any(isinstance(module, kinds) for module in model.modules())
