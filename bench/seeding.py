"""Independent random streams from one seed: initial weights, data order and noise never share a generator."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
#: Seeds that train in one stack at most, on a CPU and on a GPU. Part of every result: a seed's last bits can depend on
#: the stack it trains in, so that these groups must be the same however many processes share the work.
CPU_GROUP, GPU_GROUP = 5, 64


def derived_seed(seed: int, *roles: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every role, stable across processes, versions and platforms."""
    text = "\x1f".join(str(part) for part in (seed, *roles))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_groups(seeds: Sequence[T], most: int) -> list[Sequence[T]]:
    """`seeds` in order, in as few groups of at most `most` as it takes, sizes differing by one at most, larger first.

    So whole groups that are left after an interruption come out as the same groups again.
    """
    count = -(-len(seeds) // most)
    size, larger = divmod(len(seeds), count) if count else (0, 0)
    ends = [number * size + min(number, larger) for number in range(count + 1)]
    return [seeds[start:end] for start, end in itertools.pairwise(ends)]
