"""`aebench doctor`: versions, devices, compilers, threads, and what is wrong with them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from bench.cli._once import OnceCommand

#: Exit code where something is wrong.
WRONG = 1
#: Bytes below which a run may not find room for its files.
LITTLE_ROOM = 1 << 30
#: Extras: what each is for, by the module that shows whether it is there.
EXTRAS = {
    "dask": "distributed",
    "tensorboard": "tensorboard",
    "flows": "zuko",
    "parquet": "pyarrow",
    "onnx": "onnxruntime",
    "docs": "mkdocs",
    "test": "pytest",
}


@click.command("doctor", cls=OnceCommand, short_help="What there is to run with, and what is wrong with it.")
def command() -> int:
    """Print versions, devices, compilers and threads, then what is wrong and what to do; exit code 1 if anything is."""
    for name, text in facts().items():
        click.echo(f"{name + ':':<10}{text}")
    found = [*faults()]
    click.echo("")
    for fault in found:
        click.echo(f"wrong: {fault}")
    if not found:
        click.echo("nothing is wrong")
    return WRONG if found else 0


def facts() -> dict[str, str]:
    """What is here, by short names."""
    from bench.cores import usable_cores
    from bench.store.environment import describe_environment

    torch = _torch()
    here = describe_environment()
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    devices = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if torch else []
    limits = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ]
    there = [name for name, module in EXTRAS.items() if importlib.util.find_spec(module)]
    git = here["git"] or {}
    return {
        "aebench": str(Path(__file__).resolve().parents[1]) + (f" at {git['sha']}" if git.get("sha") else ""),
        "python": f"{here['python']} ({sys.executable})",
        "packages": packages or "none of them is installed as a package",
        "extras": ", ".join(there) or "none",
        "machine": f"{here['platform']}, {here['cpu'] or 'unknown processor'}, {here['memory_gib']} GiB",
        "cores": f"{usable_cores()} that may be used of {os.cpu_count()}",
        "threads": f"{torch.get_num_threads() if torch else '?'} of torch here; a run gives each process one"
        + (f" ({', '.join(limits)})" if limits else ""),
        "devices": ", ".join(["cpu", *(f"cuda:{n} ({name})" for n, name in enumerate(devices))]),
        "compiler": compiler() or "none; --compile will not be available, everything else is",
    }


def faults() -> Iterator[str]:
    """What is wrong, a line each with what to do."""
    yield from outdated(metadata.requires("aebench") or () if _installed("aebench") else ())
    yield from of_torch(_torch())
    yield from of_threads(os.environ)
    yield from of_folder(Path.cwd())
    yield from of_plugins()


def outdated(requirements: Iterable[str]) -> Iterator[str]:
    """Packages that are missing or of a version that will not do."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        install = f"pip install '{requirement.name}{requirement.specifier}'"
        if not _installed(requirement.name):
            yield f"{requirement.name} is not installed; {install}"
        elif not requirement.specifier.contains(version := metadata.version(requirement.name), prereleases=True):
            yield f"{requirement.name} {version} does not do (needed: {requirement.specifier}); {install}"


def of_torch(torch: Any) -> Iterator[str]:
    """Whether torch works, and sees the GPU whose driver is here."""
    from bench.runs.engines.local_device import may_have_gpu

    if torch is None:
        yield "torch cannot be imported; pip install torch, and look at what `python -c 'import torch'` says"
    elif sys.platform.startswith("linux") and may_have_gpu() and not torch.cuda.is_available():
        yield (
            "the driver of a GPU is here but torch sees none; install a torch built for it (torch.version.cuda is "
            f"{torch.version.cuda}), or update the driver"
        )


def of_threads(environment: Mapping[str, str]) -> Iterator[str]:
    """Settings under which threads wait for each other."""
    from bench.cores import usable_cores

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        text = environment.get(name, "").strip()
        if text and not text.isdecimal():
            yield f"{name}={text!r} is no number of threads; unset {name}"
        elif text and int(text) > (cores := usable_cores()):
            yield f"{name}={text}, but {cores} cores may be used; unset {name}"
    if environment.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE":
        yield "OMP_WAIT_POLICY=ACTIVE lets threads burn cores that others need; unset OMP_WAIT_POLICY"


def of_folder(folder: Path) -> Iterator[str]:
    """Whether a run can be written here."""
    if not os.access(folder, os.W_OK):
        yield f"{folder} is read-only, and runs are written into it; go to another folder, or give -o DIR"
    elif (free := shutil.disk_usage(folder).free) < LITTLE_ROOM:
        yield f"{free / 2**20:.0f} MiB are free in {folder}; make room, or give -o DIR on another disk"


def of_plugins() -> Iterator[str]:
    """Installed plugins that cannot be used."""
    from bench.spec.plugin_file import KINDS
    from bench.spec.registry import Registry

    registry = Registry.discover()
    for kind in KINDS:
        infos = [*(registry.info(kind, name) for name in registry.names(kind)), *registry.refused(kind)]
        for info in (info for info in infos if info.broken):
            yield f"the {kind} {info.name} ({info.origin}) cannot be used: {info.broken}"


def compiler() -> str | None:
    """The C++ compiler that `--compile` would use, or None."""
    names = (os.environ.get("CXX"), "g++", "clang++", "c++")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _torch() -> Any:
    """torch, or None where it cannot be imported."""
    try:
        import torch
    except (ImportError, OSError):
        return None
    return torch
