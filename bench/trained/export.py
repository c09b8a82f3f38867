"""A trained model as a file that runs without this package, with the scaling of its data inside, checked by itself.

Two graphs are written: rows → (codes, reconstructions), and beside it codes → rows. A file is put in its place only
after it was loaded again and gave what the model gives.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts.rows import restore
from bench.errors import UsageError, one_line, unknown_name
from bench.files import write_bytes
from bench.spec.registry import Registry
from bench.text import printable
from bench.trained.new_rows import training_data
from bench.trained_model import TrainedModel

#: What a file may be, and the ending that is expected of its name.
FORMATS = {"torch": ".pt2", "onnx": ".onnx"}
#: Largest |exported - own| / (one unit + |own|) that is taken for rounding; a unit is a column's scale, and 1 of codes.
TOLERANCE = 1e-4
#: Rows of the comparison at most, and how many go through at once: a graph must not be made for one number of rows.
MOST_ROWS, BATCHES = 1000, (1, 3, 64)
_ONNX = ("onnx", "onnxscript", "onnxruntime")
#: Reads a file again: inputs as arrays → outputs as arrays.
Runner = Callable[[np.ndarray], list[np.ndarray]]


class _Scaled(nn.Module):
    """What both graphs need: the variant, and how rows of the source become its own."""

    shift: Tensor
    scale: Tensor
    varies: Tensor

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        shift, scale = (np.broadcast_to(part, model.variant.data_shape) for part in model.scaling)
        constant = np.isinf(scale)
        self.variant, self.counts = model.variant, model.counts
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(np.where(constant, 1.0, scale), dtype=torch.float64))
        self.register_buffer("varies", torch.tensor(~constant, dtype=torch.float64))

    def decoded(self, z: Tensor) -> Tensor:
        """Codes (N, L) float32 → rows (N, *data_shape) float32 in the source's units."""
        x = self.variant.decode(z if self.variant.project is None else self.variant.project(z))
        rows = x.double() * self.varies * self.scale + self.shift
        return (rows.expm1() if self.counts else rows).float()


class Reconstruct(_Scaled):
    """Rows (N, *data_shape) float64 in the source's units → codes (N, L), reconstructions (N, *data_shape), float32."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.log1p() if self.counts else x
        z = self.variant.encode(((x - self.shift) / self.scale * self.varies).float())
        return z, self.decoded(z)


class Decode(_Scaled):
    """Codes (N, L) float32 → rows (N, *data_shape) float32 in the source's units."""

    def forward(self, z: Tensor) -> Tensor:
        return self.decoded(z)


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where. takes, gives: names and shapes in words. difference: the largest that was found.
        rows: what it was compared on, in words.
    """

    path: Path
    takes: str
    gives: str
    difference: float
    rows: str


def export(model: TrainedModel, path: Path, kind: str) -> list[Exported]:
    """Write `path` (rows → codes and reconstructions, where there is an encoder) and beside it the decoder.

    Args:
        kind: of `FORMATS`.

    Raises:
        UsageError: an unknown kind, an extra that is not installed, a variant whose functions cannot be written as a
            graph, or a file that does not give what the model gives; nothing has been written then.
    """
    if kind not in FORMATS:
        raise unknown_name("format", kind, FORMATS)
    if kind == "onnx":
        _need_onnx()
    rows, words = _rows(model)
    shape, width = model.variant.data_shape, model.variant.latent_dim
    size, codes = f"({', '.join(map(str, ('rows', *shape)))})", f"(rows, {width})"
    own = model.encode(rows) if model.variant.encode is not None else _normal(len(rows), (width,))
    unit = np.where(np.isinf(model.scaling[1]), 1.0, model.scaling[1])
    made = []
    if model.variant.encode is not None:
        wanted = [(own, np.ones(1)), (model.decode(own), unit)]
        names = {"x": rows.astype(np.float64), "codes": None, "reconstruction": None}
        found = _made(Reconstruct(model), names, kind, wanted)
        made.append((path, found, f"x {size} float64", f"codes {codes}, reconstruction {size} float32", words))
    names = {"codes": own.astype(np.float32), "x": None}
    found = _made(Decode(model), names, kind, [(model.decode(own), unit)])
    about = words if model.variant.encode is not None else "random codes"
    made.append((decoder_path(path), found, f"codes {codes} float32", f"x {size} float32", about))
    return [Exported(write_bytes(where, content), takes, gives, difference, about)
            for where, (content, difference), takes, gives, about in made]  # fmt: skip


def decoder_path(path: Path) -> Path:
    """Where the decoder lies that belongs to `path`: model.onnx → model.decoder.onnx."""
    return path.with_name(f"{path.stem}.decoder{path.suffix}")


def _need_onnx() -> None:
    if lost := [name for name in _ONNX if importlib.util.find_spec(name) is None]:
        raise UsageError(f"--format onnx needs {', '.join(lost)}; pip install 'aebench[onnx]'")


def _rows(model: TrainedModel) -> tuple[np.ndarray, str]:
    """Rows to compare on, in the source's units, with words for them: the held-out ones where they can be read."""
    try:
        split, _ = training_data(model.info, Registry.discover())
        n = min(len(split.test), MOST_ROWS)
        if n:
            return _restored(model, np.asarray(split.test[:n])), f"{n} held-out rows"
        why = "there are no held-out rows"
    except UsageError as error:
        why = str(error)
    rows = _normal(BATCHES[-1], model.variant.data_shape)
    return _restored(model, rows), f"{len(rows)} random rows ({printable(why, 200)})"


def _restored(model: TrainedModel, rows: np.ndarray) -> np.ndarray:
    """Rows as they stand in the source; a count is no less than 0 after rounding either."""
    raw = restore(rows, *model.scaling)
    return np.expm1(np.maximum(raw, 0)) if model.counts else raw


def _normal(n: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)


def _made(
    module: nn.Module, names: dict[str, np.ndarray | None], kind: str, wanted: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[bytes, float]:
    """The content of a file of `module`, and how far its outputs are from the `wanted` ones, each with its unit."""
    (given, example), outputs = next(iter(names.items())), [name for name, value in names.items() if value is None]
    assert example is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{FORMATS[kind]}"
        try:
            with _quiet():
                run = _WRITERS[kind](module.eval(), torch.from_numpy(example[:2].copy()), file, given, outputs)
                found = _through(run, example)
        except Exception as error:
            raise UsageError(f"this variant cannot be written as a graph of {kind}: {one_line(error)[:300]}") from error
        content = file.read_bytes()
    difference = max(
        float((np.abs(out.astype(float) - own) / (unit + np.abs(own))).max())
        for out, (own, unit) in zip(found, wanted, strict=True)
    )
    if not difference <= TOLERANCE:
        raise UsageError(
            f"the exported model differs from the trained one by {difference:.1e}, more than {TOLERANCE:g}: as a graph "
            f"of {kind} it computes another function; nothing was written"
        )
    return content, difference


def _through(run: Runner, rows: np.ndarray) -> list[np.ndarray]:
    """The outputs for all rows, of which a few go through alone and the rest together."""
    starts = np.cumsum([0, *BATCHES]).tolist()
    parts = [rows[start:end] for start, end in zip(starts, [*starts[1:], len(rows)], strict=True) if start < len(rows)]
    return [np.concatenate(outputs) for outputs in zip(*map(run, parts), strict=True)]


def _as_torch(module: nn.Module, example: Tensor, file: Path, given: str, outputs: list[str]) -> Runner:
    rows = torch.export.Dim("rows", min=1)
    program = torch.export.export(module, (example,), dynamic_shapes=({0: rows},))
    torch.export.save(program, file)
    loaded = torch.export.load(file).module()

    def run(part: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            found = loaded(torch.from_numpy(part.copy()))
        return [value.numpy() for value in (found if isinstance(found, tuple) else (found,))]

    return run


def _as_onnx(module: nn.Module, example: Tensor, file: Path, given: str, outputs: list[str]) -> Runner:
    import onnxruntime

    rows: Any = torch.export.Dim("rows", min=1)
    torch.onnx.export(
        module,
        (example,),
        file,
        input_names=[given],
        output_names=outputs,
        dynamic_shapes=({0: rows},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda part: list(session.run(outputs, {given: part}))


_WRITERS: dict[str, Callable[[nn.Module, Tensor, Path, str, list[str]], Runner]] = {
    "torch": _as_torch,
    "onnx": _as_onnx,
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What exporters say on the way is not for the user of a command."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
