"""K models of one variant as one: losses of all seeds in one vectorised call, gradients by one backward pass.

The sum of the K losses has, for each seed's parameters, just that seed's gradient, so ordinary autograd on the stacked
parameters serves all seeds and all players; only the forward pass runs under `torch.vmap`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from bench.contracts.variant import Batch, Variant
from bench.errors import PluginError
from bench.seeding import CPU_GROUP, GPU_GROUP
from bench.torch_private import operations_counter, written_times
from bench.train.batches import Rows
from bench.train.loss_state import Watch, refuse_differences
from bench.train.noise import NoiseSource, PlannedDraw, RecordingDraw, Request


class _LossModule(nn.Module):
    """A module whose forward is the variant's loss, so that `functional_call` reaches every method of the variant."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.watch = Watch(variant)

    def forward(self, x, y, progress, n_train, requests, noise):
        return loss_parts(self.watch.loss(Batch(x, y, progress, n_train), PlannedDraw(requests, noise)))


class Stack:
    """K models with stacked parameters (K, ...) and a vectorised loss; K = 1 runs the plain model.

    Args:
        models: K attached variants, equal but for their weights, on one device.
        n_train: number of training examples, passed on in each batch.

    Raises:
        PluginError: the models keep seeded data outside of parameters and buffers.
    """

    def __init__(self, models: Sequence[Variant], n_train: int) -> None:
        self.models = list(models)
        self.width = len(self.models)
        self.n_train = n_train
        self._plans: dict[tuple, list[Request]] = {}
        self._writes_buffers: set[bool] = set()  # in training, in evaluation
        refuse_differences(self.models)
        self._module = _LossModule(self.models[0])
        if self.width == 1:
            self.parameters = dict(self.models[0].named_parameters())
            self.buffers = dict(self.models[0].named_buffers())
            return
        module: Any
        for module in self.models[0].modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # vectorised, it would cost five copies in the backward pass
        parameters, self.buffers = stack_module_state(self.models)
        self.parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}

    def requests(self, x: Tensor, y: Tensor | None, progress: Tensor) -> list[Request]:
        """What the loss asks of `draw` for one seed's batch x (B, ...), found by one call on the first model.

        Raises:
            PluginError: the loss breaks its contract (`check_loss`) or keeps state where it must not (`Watch`).
        """
        model = self.models[0]
        key = (tuple(x.shape), model.training)
        if key not in self._plans:
            draw = RecordingDraw(x.device)
            grad = torch.no_grad() if model.stackable else torch.enable_grad()
            with kept(model.buffers()) as written, stacking_explained(type(model)), grad:
                result = self._module.watch.loss(Batch(x, y, progress, self.n_train), draw)
                if written():
                    self._writes_buffers.add(model.training)
            check_loss(result, len(x), model)
            self._plans[key] = draw.requests
        return self._plans[key]

    def outcome(
        self,
        x: Tensor,
        y: Tensor | None,
        progress: Tensor,
        requests: Sequence[Request],
        noise: Sequence[Tensor],
        state: dict[str, Tensor] | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Loss terms (K, B) of batches x (K, B, *data_shape), y (K, B) or None, and draws (K, *shape); and new buffers.

        Those come shaped as `buffers` are. `state`, parameters and buffers by name, stands in for the live ones.
        """
        if self.width == 1:
            label = None if y is None else y[0]
            inputs = (x[0], label, progress, self.n_train, requests, [tensor[0] for tensor in noise])
            if state is None:
                terms, buffers = self._module(*inputs)
            else:
                named = {f"variant.{name}": value for name, value in state.items()}
                terms, buffers = functional_call(self._module, named, inputs)
            return {name: value.unsqueeze(0) for name, value in terms.items()}, buffers

        def one(state, x, y, noise):
            named = {f"variant.{name}": value for name, value in state.items()}
            return functional_call(self._module, named, (x, y, progress, self.n_train, requests, noise))

        labels_dim = None if y is None else 0
        vectorised = torch.vmap(one, in_dims=(0, 0, labels_dim, 0), randomness="error")
        with stacking_explained(type(self.models[0])):
            return vectorised(self.live if state is None else state, x, y, list(noise))

    def terms(self, *arguments, **options) -> dict[str, Tensor]:
        """The loss terms of `outcome`."""
        return self.outcome(*arguments, **options)[0]

    def check_state(self) -> None:
        """Raise `PluginError` where the variant has changed data that are neither parameters nor buffers."""
        self._module.watch.compare()

    def move_buffers(self, values: dict[str, Tensor]) -> None:
        """Copy what a loss returned for its buffers, as `outcome` gives it, into the live ones."""
        with torch.no_grad():
            for name, value in values.items():
                self.buffers[name].copy_(value)

    def train_mode(self, training: bool) -> None:
        """Switch every model between training and evaluation behaviour (batch normalisation, dropout)."""
        for model in self.models:
            model.train(training)

    @property
    def live(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, as they are."""
        return {**self.parameters, **self.buffers}

    @property
    def recordable(self) -> bool:
        """Whether calls may be recorded (`bench.train.replay`): a buffer written in place would move twice in a trial.

        Known once `requests` was asked in the present mode.
        """
        model = self.models[0]
        return model.stackable and model.training not in self._writes_buffers

    def split(self, tensors: Sequence[Tensor]) -> tuple[dict[str, Tensor] | None, Sequence[Tensor]]:
        """Tensors of which the first stand for `live`: these by name (None where they are the live ones), the rest."""
        live = self.live
        first, rest = tensors[: len(live)], tensors[len(live) :]
        if all(one is other for one, other in zip(live.values(), first, strict=True)):
            return None, rest
        return dict(zip(live, first, strict=True)), rest

    def state(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, stacked (K, ...), detached; views of the live values."""
        return {name: (value[None] if self.width == 1 else value).detach() for name, value in self.live.items()}

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


#: What torch says where a loss cannot be vectorised → what the loss does.
_UNSTACKABLE = {
    ".item()": "calls .item() (or float, int, bool, tolist) on a tensor",
    "data-dependent control flow": "branches on a tensor's value",
    "does not require grad": "differentiates inside itself (torch.autograd.grad)",
    "data-dependent": "makes a shape from a tensor's values",
    "dynamic shape": "makes a shape from a tensor's values",
    "data pointer": "takes a tensor's memory (numpy())",
    "doesn't have storage": "takes a tensor's memory (numpy())",
    "vmap": "does what torch.vmap cannot",
}


@contextlib.contextmanager
def stacking_explained(variant: type[Variant]) -> Iterator[None]:
    """Turns what torch says of a loss that cannot be vectorised over seeds into a `PluginError` that says what to do.

    Of a variant that is declared as not stackable it stays what it is.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        what = next((said for words, said in _UNSTACKABLE.items() if words in text), None)
        if what is None or not variant.stackable:
            raise
        if "randomness" in text:
            raise PluginError(
                f"{variant.__name__}.loss draws from torch's global generator; use draw instead"
            ) from error
        raise PluginError(
            f"{variant.__name__}.loss {what}, which cannot be done for all seeds in one call; set the class attribute "
            "stackable = False (seeds then train one after another), or write it without"
        ) from error


@contextlib.contextmanager
def kept(buffers: Iterable[Tensor]) -> Iterator[Callable[[], bool]]:
    """Whatever is written into `buffers` meanwhile is undone afterwards: it is no step of a training.

    Yields what tells whether something has been written so far. Batch normalisation does so uncounted.
    """
    before = [(buffer, buffer.clone(), written_times(buffer)) for buffer in buffers]

    def changed(buffer: Tensor, value: Tensor, times: int | None) -> bool:
        return times is None or written_times(buffer) != times or not torch.equal(buffer, value)

    try:
        yield lambda: any(changed(*one) for one in before)
    finally:
        with torch.no_grad():
            for one in before:
                if changed(*one):  # what a graph has saved is not written to
                    one[0].copy_(one[1])


def loss_parts(result: Any) -> tuple[Any, dict[str, Tensor]]:
    """What a loss returned as (terms, new values of buffers)."""
    return result if isinstance(result, tuple) and len(result) == 2 else (result, {})


def check_loss(result: Any, rows: int, model: Variant) -> None:
    """Raise `PluginError` unless `result` is what `Variant.loss` promises for `rows` examples."""
    terms, buffers = loss_parts(result)
    check_terms(terms, rows, model)
    _check_buffers(buffers, model)


def check_terms(terms: object, rows: int, variant: Variant) -> None:
    """Raise `PluginError` unless `terms` is what `Variant.loss` promises: a dict of (B,) tensors with "loss"."""
    name = type(variant).__name__
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


def _check_buffers(buffers: object, model: Variant) -> None:
    """Raise `PluginError` unless each is the new value of a saved buffer of `model`."""
    name = type(model).__name__
    if not isinstance(buffers, dict):
        raise PluginError(f"{name}.loss must return (terms, {{buffer: new value}}), not a {type(buffers).__name__}")
    live = dict(model.named_buffers())
    saved = {key: live[key] for key in model.state_dict() if key in live}
    for key, value in buffers.items():
        if key not in saved:
            known = ", ".join(saved) or "none"
            raise PluginError(f"{name}.loss returns a value for {key!r}, which is no saved buffer; those are: {known}")
        wanted = saved[key]
        found = (tuple(value.shape), value.dtype) if isinstance(value, Tensor) else type(value).__name__
        if found != (tuple(wanted.shape), wanted.dtype):
            raise PluginError(
                f"{name}.loss returns {found} for the buffer {key!r}, expected {(tuple(wanted.shape), wanted.dtype)}"
            )


def owned_parameters(model: Variant) -> dict[str, list[str]]:
    """Term → names of the parameters it trains; each parameter belongs to the longest prefix that matches it."""
    owned: dict[str, list[str]] = {term: [] for term in model.players}
    for name, _ in model.named_parameters():
        matches = [
            (len(prefix), term)
            for term, prefixes in model.players.items()
            for prefix in prefixes
            if name.startswith(prefix)
        ]
        if matches:
            owned[max(matches)[1]].append(name)
    return {term: names for term, names in owned.items() if names}


def parameter_rates(model: Variant, player: str, names: Sequence[str]) -> list[float]:
    """What the run's learning rate is multiplied by for each parameter of `names`, which `player` trains."""
    of_player = model.player_rates.get(player, 1.0)
    found = []
    for name in names:
        longest = max((prefix for prefix in model.parameter_rates if name.startswith(prefix)), key=len, default=None)
        found.append(of_player * (1.0 if longest is None else model.parameter_rates[longest]))
    return found


def due_players(model: Variant, players: Iterable[str]) -> list[list[str]]:
    """Which of `players` step in each part of a step: all in the first, those with `player_steps` > n in the n-th."""
    steps = {player: model.player_steps.get(player, 1) for player in players}
    return [[player for player in steps if part < steps[player]] for part in range(max(steps.values()))]


def flops_per_step(model: Variant, rows: Rows, batch_size: int, device: torch.device) -> int:
    """Operations of one training step of `model` on one batch of `rows`: of every player, as often as it steps.

    Matrix products and convolutions count, elementwise work does not (`torch.utils.flop_counter`).
    """
    stack = Stack([model], len(rows))
    x, y = rows.gather(torch.arange(batch_size, device=device))
    progress = torch.zeros((), device=device)
    requests = stack.requests(x, y, progress)
    noise = NoiseSource([0], device, "flops").at(0, 0, requests, False)
    players = owned_parameters(model)
    with operations_counter() as counter, kept(model.buffers()):
        for due in due_players(model, players):
            terms = stack.terms(x[None], None if y is None else y[None], progress, requests, noise)
            for player in due:
                own = [stack.live[name] for name in players[player]]
                torch.autograd.grad(terms[player].mean(), own, retain_graph=player != due[-1], allow_unused=True)
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
