"""Of two starts at one moment the refused one always says who holds the folder."""

import json
import os
import threading

import pytest

from bench.errors import UsageError
from bench.store.lock import DirectoryLock


def test_a_holder_that_has_not_written_its_name_yet_is_waited_for(tmp_path):
    with_lock = DirectoryLock(tmp_path)
    os.ftruncate(with_lock._handle, 0)  # as in the moment after it was taken
    name = json.dumps({"pid": 7, "host": "here", "started": "now"}).encode()
    later = threading.Timer(0.1, lambda: os.pwrite(with_lock._handle, name, 0))
    later.start()
    with pytest.raises(UsageError, match=r"another run is writing to .* \(pid 7 on here, started now\)"):
        DirectoryLock(tmp_path)
    later.join()
    with_lock.release()


def test_a_lock_that_was_only_looked_at_is_taken_when_it_is_let_go(tmp_path):
    look = DirectoryLock(tmp_path)
    os.ftruncate(look._handle, 0)
    threading.Timer(0.1, look.release).start()
    DirectoryLock(tmp_path).release()


def test_a_holder_that_never_says_its_name_is_refused_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.store.lock._UNNAMED", 0.05)
    held = DirectoryLock(tmp_path)
    os.ftruncate(held._handle, 0)
    with pytest.raises(UsageError, match="its holder is not known"):
        DirectoryLock(tmp_path)
    held.release()
