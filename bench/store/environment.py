"""What a run's numbers depend on besides its spec: versions, processor, threads, the state of the checkout.

No environment variables, user names, host names or paths are recorded, and credentials are cut out of git remotes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.text import printable

PACKAGES = ("aebench", "torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn", "safetensors", "distributed")


def describe_environment() -> dict[str, Any]:
    """The environment of this process as JSON; torch's threads and accelerator only if torch is already imported."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cpu_count": _cpu_count(),
        "memory_gib": _memory_gib(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        **_torch_state(),
        "git": git_state(Path(__file__).resolve().parent),
    }


def env_hash(environment: dict[str, Any]) -> str:
    """First 12 hex digits of the SHA-256 of an environment; the git state does not count, `git_sha` records it."""
    relevant = {key: value for key, value in environment.items() if key != "git"}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:12]


def cpu_model() -> str:
    """The processor's name as the system gives it, e.g. "Intel(R) Xeon(R) CPU @ 2.20GHz"; "" when unknown."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return printable(platform.processor(), 100)
    found = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return printable(found.group(1).strip(), 100) if found else printable(platform.processor(), 100)


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        import psutil
    except ImportError:
        return None
    return round(psutil.virtual_memory().total / 2**30, 1)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _torch_state() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    state = {"torch_threads": torch.get_num_threads(), "accelerator": None}
    if torch.cuda.is_available():
        state["accelerator"] = printable(torch.cuda.get_device_name(0), 100)
        state["cuda"] = torch.version.cuda
    return state


def git_state(directory: Path) -> dict[str, Any] | None:
    """Commit, whether there are uncommitted changes, and the remote of the checkout that holds `directory`, or None.

    Only a checkout of aebench itself counts: the top folder must hold its `pyproject.toml` and the package `bench`.
    """
    top = _git(directory, "rev-parse", "--show-toplevel")
    if top is None or Path(top) / "bench" != directory or not (Path(top) / "pyproject.toml").is_file():
        return None
    remote = _git(directory, "config", "--get", "remote.origin.url")
    return {
        "sha": _git(directory, "rev-parse", "HEAD"),
        "dirty": bool(_git(directory, "status", "--porcelain", "--untracked-files=no")),
        "remote": without_credentials(remote) if remote else None,
    }


def without_credentials(remote: str) -> str | None:
    """A git remote without user name, password, token or query; None for a local path."""
    found = re.fullmatch(r"(https?|ssh|git)://(?:[^/]*@)?([^/@?#]+)(/[^?#]*)?(?:[?#].*)?", remote)
    if found:
        return printable(f"{found.group(1)}://{found.group(2)}{found.group(3) or ''}", 200)
    short = re.fullmatch(r"(?:[^@/:]+@)?([^@/:]+):([^?#@]+)", remote)
    return printable(f"{short.group(1)}:{short.group(2)}", 200) if short else None


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
