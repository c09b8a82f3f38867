"""Times the suite against its peers on one model: seconds per epoch of the MNIST VAE 784-400-20-400-784.

    python tests/performance/peers.py [--images train-images-idx3-ubyte] [--threads 2] [--rounds 5] [--only bare]

Adam 1e-3, batch 128, Bernoulli cost + KL, 60,000 images. Each round starts one fresh process per peer, in rotating
order, which trains for a while first and then times whole epochs; all are pinned to the same cores. Without `--images`
the pixels are random: the arithmetic is the same. Prints a Markdown table. Needs a checkout, and `pip install
'.[peers]'` for pythae and JAX. A peer that is not installed or fails ends it with one line that names it: there is no
table without a peer that was asked for; `--only` asks for fewer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
N, DIM, HIDDEN, LATENT, BATCH = 60_000, 784, 400, 20, 128
STEPS = N // BATCH  # whole batches per epoch; all peers run as many and are scaled alike
NAMES = {
    "floor": "floor: the step's matrix products alone",
    "aebench": "aebench",
    "compiled": "aebench --compile",
    "jax": "JAX jit + scan",
    "bare": "bare PyTorch loop, data in memory, fused Adam",
    "pythae": "pythae 0.1.2 BaseTrainer",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, help="IDX file of 60,000 images; random pixels without it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2, help="timed epochs per process")
    parser.add_argument("--only", default=",".join(NAMES), help="comma-separated peers")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(NAMES)
    if unknown or min(options.threads, options.rounds, options.epochs) < 1:
        parser.error(f"unknown peers {', '.join(sorted(unknown))}" if unknown else "numbers must be at least 1")
    if options.images is not None and not options.images.is_file():
        parser.error(f"--images {options.images}: no such file; give an IDX file of 60,000 images, or leave it out")
    if options.child:
        print(json.dumps(run_child(options)))
    else:
        print(table(run_all(options), options))


def run_all(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds per epoch of every peer, one per round."""
    results: dict[str, list[float]] = {name: [] for name in options.only.split(",")}
    names = list(results)
    for number in range(options.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            results[name].append(start_child(name, options))
    return results


def start_child(name: str, options: argparse.Namespace) -> float:
    """One process of one peer: its seconds per epoch; where it fails, one line names it and everything ends."""
    command = [sys.executable, str(Path(__file__)), "--child", name, "--threads", str(options.threads)]
    command += ["--epochs", str(options.epochs), *(["--images", str(options.images)] if options.images else [])]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
    except (IndexError, ValueError, KeyError):
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode} and no message"])[-1]
        others = ",".join(other for other in options.only.split(",") if other != name)
        hint = f"; --only {others} leaves it out" if others else ""
        raise SystemExit(f"peers.py: {NAMES[name]} ({name}) cannot be measured: {why}{hint}") from None


def run_child(options: argparse.Namespace) -> dict[str, float]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    import torch

    torch.set_num_threads(options.threads)
    measure = {
        "floor": floor,
        "aebench": aebench,
        "compiled": compiled,
        "jax": jax_scan,
        "bare": bare,
        "pythae": pythae,
    }[options.child]
    return {"seconds": measure(images(options.images), options.epochs) * N / (STEPS * BATCH)}


def images(path: Path | None):
    """(60,000, 784) pixels in [0, 1], float32."""
    import numpy as np

    if path is None:
        return np.random.default_rng(0).random((N, DIM), dtype=np.float32)
    from bench.data.vision_files import read_idx

    return read_idx(path, 3).reshape(-1, DIM)[:N].astype(np.float32) / 255


def job():
    from loops import Job

    return Job(dim=DIM, hidden=HIDDEN, latent_dim=LATENT, cost="bernoulli", batch_size=BATCH)


def seconds_of(step, epochs: int) -> float:
    """Seconds per epoch of STEPS calls, after a tenth of an epoch as warm-up."""
    for _ in range(STEPS // 10):
        step()
    started = time.perf_counter()
    for _ in range(epochs * STEPS):
        step()
    return (time.perf_counter() - started) / epochs


def floor(x, epochs: int) -> float:
    from loops import matrix_products

    return seconds_of(matrix_products(job()), epochs)


def bare(x, epochs: int) -> float:
    from loops import bare_step

    return seconds_of(bare_step(job(), x), epochs)


def compiled(x, epochs: int) -> float:
    return aebench(x, epochs, compile=True)


def aebench(x, epochs: int, compile: bool = False) -> float:
    """The public training loop, timed between its evaluation points (one per epoch) from the first on."""
    from loops import CPU, models

    from bench.train import TrainPlan, train
    from bench.train.batches import Rows

    rows, none = Rows(x[: STEPS * BATCH], None, CPU), Rows(x[:0], None, CPU)
    plan = TrainPlan((epochs + 1) * STEPS, BATCH, optimizer_params={"lr": 1e-3}, schedule="constant", compile=compile)
    marks: list[float] = []
    network = models(job(), kl_weight=1.0)
    train(network, [0], rows, none, plan, CPU, on_step=lambda step: marks.append(time.perf_counter()))
    return (marks[-1] - marks[0]) / epochs


def jax_scan(x, epochs: int) -> float:
    import jax
    import jax.numpy as jnp
    import optax

    def layer(key, inputs, outputs):
        bound = inputs**-0.5
        weight = jax.random.uniform(key, (inputs, outputs), minval=-bound, maxval=bound)
        return {"w": weight, "b": jnp.zeros(outputs)}

    sizes = [(DIM, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, DIM)]
    keys = jax.random.split(jax.random.key(0), len(sizes))
    parameters = [layer(key, *size) for key, size in zip(keys, sizes, strict=True)]
    optimizer = optax.adam(1e-3)

    def loss(parameters, batch, key):
        first, head, second, last = parameters
        mean, log_variance = jnp.split(jax.nn.relu(batch @ first["w"] + first["b"]) @ head["w"] + head["b"], 2, -1)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
        logits = jax.nn.relu(z @ second["w"] + second["b"]) @ last["w"] + last["b"]
        cost = optax.sigmoid_binary_cross_entropy(logits, batch).sum(-1)
        return (cost - 0.5 * (1 + log_variance - mean**2 - jnp.exp(log_variance)).sum(-1)).mean()

    def step(carry, inputs):
        parameters, state, x = carry
        rows, key = inputs
        value, gradients = jax.value_and_grad(loss)(parameters, x[rows], key)
        updates, state = optimizer.update(gradients, state)
        return (optax.apply_updates(parameters, updates), state, x), value

    @jax.jit
    def epoch(parameters, state, x, key):
        order_key, noise_key = jax.random.split(key)
        rows = jax.random.permutation(order_key, N)[: STEPS * BATCH].reshape(STEPS, BATCH)
        inputs = (rows, jax.random.split(noise_key, STEPS))
        (parameters, state, _), values = jax.lax.scan(step, (parameters, state, x), inputs)
        return parameters, state, values

    x, state = jnp.asarray(x), optimizer.init(parameters)
    parameters, state, values = jax.block_until_ready(epoch(parameters, state, x, jax.random.key(1)))
    started = time.perf_counter()
    for number in range(epochs):
        parameters, state, values = epoch(parameters, state, x, jax.random.key(2 + number))
    jax.block_until_ready(values)
    return (time.perf_counter() - started) / epochs


def pythae(x, epochs: int) -> float:
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from torch import nn

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(DIM, HIDDEN), nn.ReLU())
            self.mean, self.log_variance = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)

        def forward(self, x):
            hidden = self.body(x)
            return ModelOutput(embedding=self.mean(hidden), log_covariance=self.log_variance(hidden))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            layers = [nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIM), nn.Sigmoid()]
            self.body = nn.Sequential(*layers)

        def forward(self, z):
            return ModelOutput(reconstruction=self.body(z))

    with tempfile.TemporaryDirectory() as folder:
        model = VAE(VAEConfig(input_dim=(DIM,), latent_dim=LATENT, reconstruction_loss="bce"), Encoder(), Decoder())
        config = BaseTrainerConfig(output_dir=folder, num_epochs=epochs + 1, learning_rate=1e-3, no_cuda=True,
                                   per_device_train_batch_size=BATCH)  # fmt: skip
        data = torch.from_numpy(x[: STEPS * BATCH])
        trainer = BaseTrainer(model, BaseDataset(data, torch.zeros(len(data))), training_config=config)
        trainer.prepare_training()
        trainer.train_step(1)
        started = time.perf_counter()
        for number in range(epochs):
            trainer.train_step(2 + number)
        return (time.perf_counter() - started) / epochs


def table(times: dict[str, list[float]], options: argparse.Namespace) -> str:
    """Medians with the range over rounds, and ratios of medians to the floor and to aebench."""
    medians = {name: statistics.median(found) for name, found in times.items()}

    def over(name: str, base: str) -> str:
        return f"{medians[name] / medians[base]:.2f}" if base in medians else ""

    lines = [facts(options), "", "| | s/epoch (range) | × floor | × aebench |", "|---|--:|--:|--:|"]
    for name in sorted(medians, key=medians.get):
        spread = f"{medians[name]:.2f} ({min(times[name]):.2f} – {max(times[name]):.2f})"
        lines.append(f"| {NAMES[name]} | {spread} | {over(name, 'floor')} | {over(name, 'aebench')} |")
    return "\n".join(lines)


def facts(options: argparse.Namespace) -> str:
    """The machine in general terms, versions, and how it was measured."""
    from importlib import metadata

    import torch

    def version(package: str) -> str | None:
        try:
            return f"{package} {metadata.version(package).partition('+')[0]}"
        except metadata.PackageNotFoundError:
            return None

    versions = filter(None, map(version, ("torch", "jax", "optax", "pythae")))
    capability = torch.backends.cpu.get_cpu_capability()
    pixels = "MNIST" if options.images else "random pixels of MNIST's size"
    cores = f"{options.threads} core{'s' * (options.threads > 1)}, {capability}"
    epochs = f"{options.epochs} timed epoch{'s' * (options.epochs > 1)} each"
    return (
        f"{cores}; {', '.join(versions)}; {pixels}; median over {options.rounds} rounds of fresh processes, {epochs}."
    )


if __name__ == "__main__":
    main()
