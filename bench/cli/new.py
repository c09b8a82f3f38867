"""`aebench new`: a working plugin file to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click


@click.command("new", short_help="Write a working plugin file to start from.")
@click.argument("kind", type=click.Choice(["variant", "dataset"]))
@click.argument("name", metavar="NAME")
def command(kind: str, name: str) -> None:
    """Write a plugin NAME into this folder: one file that runs as it is and explains what to change."""
    from bench.errors import UsageError
    from bench.spec.plugin_file import kebab
    from bench.spec.registry import Registry

    name = kebab(name)
    stem = name.replace("-", "_")
    word = keyword.iskeyword(stem)
    if word or not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", stem):
        why = "it is a word of Python" if word else "one begins with a letter, and goes on with letters, digits and -"
        raise UsageError(f"{name!r} is not a plugin name; {why}: give another, e.g. my-{kind}")
    registry = Registry.discover()
    if name in registry.names(kind):
        raise UsageError(f"there is a {kind} {name!r} already ({registry.info(kind, name).origin}); give another name")
    words = stem.split("_")
    template = VARIANT if kind == "variant" else DATASET
    text = template.format(
        name=name, title=" ".join(words).capitalize(), cls="".join(word.capitalize() for word in words)
    )
    path = Path(f"{stem}.py")
    try:
        with open(path, "x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists already and is left as it is; give another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {path} into this folder: {error.strerror or error}") from error
    option = "-m" if kind == "variant" else "-d"
    click.echo(f"{path} written; try it:")
    click.echo(f"  aebench check {path}")
    click.echo(f"  aebench run --plugins {path} {option} {name} --seeds 3 --steps 300")


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
