"""How much memory can be had, and what is refused before it is asked for."""

from types import SimpleNamespace

import pytest

from bench import memory
from bench.runs.engines import limits


@pytest.mark.parametrize(("version", "limit"), [(2, "3000000000"), (1, "3000000000"), (2, "max")])
def test_available_memory_knows_the_containers_limit(tmp_path, monkeypatch, version, limit):
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000_000_000))
    (tmp_path / "memory").mkdir()
    names = ("memory.max", "memory.current", "memory.stat", "inactive_file")
    if version == 1:
        folder = "memory/memory."
        names = (f"{folder}limit_in_bytes", f"{folder}usage_in_bytes", f"{folder}stat", "total_inactive_file")
    for name, text in zip(names, (limit, "1500000000", f"anon 7\n{names[3]} 500000000\n"), strict=False):
        (tmp_path / name).write_text(text)
    expected = 8_000_000_000 if limit == "max" else 2_000_000_000
    assert memory.available_memory() == expected
    assert limits.memory_ceiling(2) == int(expected * limits.SHARE / 2)


def test_what_is_more_than_there_is_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 30)
    memory.refuse_more_than_there_is(1 << 30, "it", "take less")
    with pytest.raises(MemoryError, match=r"it needs about 2\.0 GiB, 1\.0 GiB are free; take less"):
        memory.refuse_more_than_there_is(1 << 31, "it", "take less")
