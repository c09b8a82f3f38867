"""`aebench new`: a working plugin file to start from."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path

import click

from bench.cli._once import OnceCommand

KINDS = ("variant", "dataset", "metric", "sampler", "network")


@click.command("new", cls=OnceCommand, short_help="Write a working plugin file to start from.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", metavar="NAME")
def command(kind: str, name: str) -> None:
    """Write a plugin NAME into this folder: one file that runs as it is and explains what to change."""
    from bench.errors import UsageError
    from bench.spec.plugin_file import kebab

    name = kebab(name)
    stem = name.replace("-", "_")
    word = keyword.iskeyword(stem)
    if word or not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", stem):
        why = "it is a word of Python" if word else "one begins with a letter, and goes on with letters, digits and -"
        raise UsageError(f"{name!r} is not a plugin name; {why}: give another, e.g. my-{kind}")
    if taken := _taken(kind, name, stem):
        raise UsageError(f"there is a {kind} {name!r} already ({taken}); give another name")
    words = stem.split("_")
    title, cls = " ".join(words).capitalize(), "".join(word.capitalize() for word in words)
    path = Path(f"{stem}.py")
    try:
        with open(path, "x", encoding="utf-8") as handle:
            handle.write(TEMPLATES[kind].format(name=name, stem=stem, title=title, cls=cls))
    except FileExistsError:
        raise UsageError(f"{path} exists already and is left as it is; give another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {path} into this folder: {error.strerror or error}") from error
    click.echo(f"{path} written; try it:")
    for line in TRY[kind]:
        click.echo(f"  {line.format(path=path, name=name, stem=stem)}")


def _taken(kind: str, name: str, stem: str) -> str:
    """Where something of this kind and name is already, or ""."""
    from bench.spec.builtin_tables import network_parameters
    from bench.spec.registry import Registry

    if kind == "network":
        found = importlib.util.find_spec(stem) if not Path(f"{stem}.py").exists() else None
        return "built in" if name in network_parameters() else str(found.origin or "a folder") if found else ""
    registry = Registry.discover()
    infos = [registry.info("metric", metric) for metric in registry.names("metric")]
    values = {value.name: info.name for info in infos for value in info.values}
    if kind == "metric" and stem in values:
        return f"a value of {values[stem]}"
    return registry.info(kind, name).origin if name in registry.names(kind) else ""


#: What a user tries first with a new file.
TRY = {
    "variant": ("aebench check {path}", "aebench run --plugins {path} -m {name} --seeds 3 --steps 300"),
    "dataset": ("aebench check {path}", "aebench run --plugins {path} -d {name} --seeds 3 --steps 300"),
    "metric": (
        "aebench check {path}",
        "aebench run --plugins {path} --metrics 'core,{name}[share=0.95]' --seeds 3 --steps 300",
    ),
    "sampler": (
        "aebench check {path}",
        "aebench run --plugins {path} --samplers '{name}[bandwidth=0.1]' --seeds 3 --steps 300",
    ),
    "network": (
        "aebench check ae --network '{stem}:build[blocks=1]'",
        "aebench run --network '{stem}:build[blocks=1]' --seeds 3 --steps 300",
    ),
}

VARIANT = '''\
"""{title}: min Σ ‖Θ(z)-xᵢ‖² + w ‖z‖², z = Φ(xᵢ): a plain autoencoder with a penalty on its codes.

State the equation and the paper here; the code below uses the same letters.
"""

from bench import Variant, number_in


class {cls}(Variant):
    """{title}: squared norm of the codes penalised with weight w."""

    def __init__(self, weight: float = 1e-3):  # the signature is the configuration: {name}[weight=0.01]
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def loss(self, batch, draw):
        """Terms per example, each (B,): "loss" is minimised, the others are logged. All randomness is `draw`'s."""
        z = self.encode(batch.x)  # (B, L)
        cost = self.reconstruction_cost(z, batch.x)  # (B,)
        penalty = z.square().sum(-1)  # (B,)
        return {{"loss": cost + self.weight * penalty, "reconstruction": cost, "penalty": penalty}}

    def encode(self, x):
        """The code that is decoded: (B, *data_shape) → (B, L)."""
        return self.encoder(x)
'''

DATASET = '''\
"""{title}: points on a noisy circle in the plane, embedded in `dimension` dimensions.

State the source and its licence here.
"""

import numpy as np

from bench import Split, number_in, split_arrays, whole_number


def load(n: int = 2000, dimension: int = 8, noise: float = 0.05, seed: int = 0) -> Split:
    """Vectors (n, dimension), labelled by quadrant; the signature is the configuration: {name}[noise=0.1]."""
    whole_number("n", n, 10)
    whole_number("dimension", dimension, 2)
    number_in("noise", noise, 0.0)
    whole_number("seed", seed, 0)
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    basis, _ = np.linalg.qr(rng.normal(size=(dimension, 2)))  # (dimension, 2)
    data = circle @ basis.T + noise * rng.normal(size=(n, dimension))  # (n, dimension)
    quadrant = (angle // (np.pi / 2)).astype(int)  # (n,)
    return split_arrays(data, quadrant, scale="none", split_seed=seed, what="{title}")
'''

METRIC = '''\
"""{title}: the reconstruction error of the worst rows, which a mean over all rows does not show.

State the definition and the paper here.
"""

from bench import Metric, Missing, Value, number_in


class {cls}(Metric):
    """A quantile of ‖Θ(μ(x))-x‖² / d over held-out rows."""

    family = "reconstruction"  # the part of the report that shows it
    values = (  # literals only: `aebench list metrics` reads them without running this file
        Value(
            "{stem}",
            "Squared error per data dimension that a share of the held-out rows stays below.",
            False,  # lower is better; True: higher is; None: it describes and ranks nobody
            unit="per dim",
            range="[0, inf)",
            formula="quantile of ‖Θ(μ(x))-x‖² / d over rows",
            needs=("encode", "decode"),  # a model without one of these gets n/a with the reason
        ),
    )

    def __init__(self, share: float = 0.99):  # options: --metrics 'core,{name}[share=0.95]'
        self.share = number_in("share", share, 0.0, 1.0)

    def compute(self, view, rng):
        """Numbers by the names above. `view` is the model beside its data (all of it: `bench.contracts.view.View`):

        view.codes("test") (N, L), view.reconstructions("test") (N, d), view.rows("train").x, view.encode(x),
        view.decode(z), view.latents("fit") and more; it is shared by all metrics, so nothing in it may be written to.
        All randomness comes from `rng`, a NumPy generator.
        """
        errors = view.squared_errors("test")  # (N,), a torch tensor
        if len(errors) < 20:
            return {{"{stem}": Missing("fewer than 20 held-out rows", "too_few")}}
        return {{"{stem}": float(errors.quantile(self.share)) / view.dimension}}
'''

SAMPLER = '''\
"""{title}: a kernel density of the training codes, p(z) = (1/N) Σᵢ N(z; zᵢ, h² diag Var(z)).

State the equation and the paper here.
"""

import torch
from torch.distributions import Distribution

from bench import Sampler, number_in


class {cls}(Sampler):
    """{title}: a training code chosen at random, and normal noise of bandwidth h."""

    # Where codes fill a part of R^L only, or come from a finite set, its values are n/a with the reason:
    spaces = ("euclidean",)

    def __init__(self, bandwidth: float = 0.2):  # the signature is the configuration: {name}[bandwidth=0.1]
        self.bandwidth = number_in("bandwidth", bandwidth, 0.0)

    def fit(self, codes, generator):
        """The density of codes (N, L), with event (L,). Randomness is `generator`'s, or torch's global one."""
        return Kernels(codes, self.bandwidth * codes.std(0))


class Kernels(Distribution):
    """Normal kernels of widths (L,) at centres (N, L); a `log_prob(z)` would be checked, too."""

    arg_constraints = {{}}

    def __init__(self, centres, widths):
        self.centres, self.widths = centres, widths
        super().__init__(event_shape=centres.shape[1:], validate_args=False)

    def sample(self, sample_shape=()):
        rows = torch.randint(len(self.centres), sample_shape)
        noise = torch.randn(*sample_shape, *self.event_shape).to(self.centres)
        return self.centres[rows.to(self.centres.device)] + self.widths * noise
'''

NETWORK = '''\
"""{title}: residual networks for any data, x + f(x) from block to block.

State the paper here. All variants of a run share these networks: --network '{stem}:build[width=128]'.
"""

import math

from torch import nn


class Residual(nn.Module):
    """x + W₂ relu(W₁ x): (B, width) → (B, width)."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x):
        return x + self.body(x)


def build(data_shape, head_width, latent_dim, width=64, blocks=2):
    """An encoder (B, *data_shape) → (B, head_width) and a decoder (B, latent_dim) → (B, *data_shape).

    `head_width` is `latent_dim` for codes and twice as wide for means and log-variances. Weights are drawn from torch's
    global generator, which the harness starts from the seed: neither seed it here nor use a generator of your own. The
    decoder ends without an activation: the reconstruction cost takes it from there.
    """
    d = math.prod(data_shape)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(d, width), *_blocks(width, blocks), nn.Linear(width, head_width))
    decoder = nn.Sequential(nn.Linear(latent_dim, width), *_blocks(width, blocks), nn.Linear(width, d))
    return encoder, nn.Sequential(decoder, nn.Unflatten(-1, data_shape))


def _blocks(width, n):
    return [Residual(width) for _ in range(n)]
'''

TEMPLATES = {"variant": VARIANT, "dataset": DATASET, "metric": METRIC, "sampler": SAMPLER, "network": NETWORK}
