"""Plugins that misbehave, one file each, and what is expected of their cells."""

from __future__ import annotations

from pathlib import Path

_VARIANT = '''"""A variant that misbehaves."""

import os
import random
import signal
import sys
import time

import numpy as np
import torch

from bench.contracts.variant import Variant
{before}

class {name}(Variant):
    """Misbehaves."""

    def __init__(self):
        super().__init__()
        {init}

    def loss(self, batch, draw):
        {loss}
        return {terms}

    def encode(self, x):
        {encode}
        return self.encoder(x)


{after}
'''

_DATA = '''"""A data set that misbehaves."""

import numpy as np
import torch

from bench.contracts.dataset import Split
{before}

def load(rows: int = 300) -> Split:
    """Misbehaves."""
    x = np.random.default_rng(0).standard_normal((rows, 6)).astype(np.float32)
    {during}
    return {split}
'''

_TERMS = '{"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}'

#: name → parts of the file; everything else behaves.
VARIANTS = {
    "raises-on-import": {"before": 'raise RuntimeError("import broke")'},
    "exits-on-import": {"before": "sys.exit(3)"},
    "raises-in-init": {"init": 'raise RuntimeError("init broke")'},
    "exits-in-init": {"init": "sys.exit(3)"},
    "raises-in-loss": {"loss": 'raise RuntimeError("loss broke")'},
    "exits-in-loss": {"loss": "sys.exit(0)"},
    "wrong-shape": {"terms": '{"loss": torch.zeros(3, requires_grad=True)}'},
    "wrong-type": {"terms": '{"loss": torch.zeros(len(batch.x), dtype=torch.int64)}'},
    "not-a-tensor": {"terms": '{"loss": 1.0}'},
    "not-a-dict": {"terms": "batch.x.sum(1)"},
    "nan-loss": {"terms": '{"loss": self.reconstruction_cost(self.encode(batch.x), batch.x) * float("nan")}'},
    "constant-loss": {"terms": '{"loss": torch.ones(len(batch.x))}'},
    "claims-no-memory": {"loss": 'raise MemoryError("no more")'},
    "prints": {"loss": 'print("\\x1b[2Jprinted by a plugin"); sys.stdout.write("written by a plugin")'},
    "seeds": {"loss": "torch.manual_seed(1); np.random.seed(1); random.seed(1)"},
    "threads": {"init": "torch.set_num_threads(7)"},
    "default-type": {"init": "torch.set_default_dtype(torch.float64)"},
    "default-device": {"loss": 'torch.set_default_device("meta")'},
    "no-gradients": {"encode": "torch.set_grad_enabled(False)"},
    "raising-numpy": {"loss": 'np.seterr(all="raise")'},
    "other-folder": {"loss": 'os.chdir("/")'},
    "changes-data": {"loss": "batch.x.mul_(0.5)"},
    "changes-data-in-encode": {"encode": "x.mul_(0.5)"},
    "interrupts": {"loss": "raise KeyboardInterrupt"},
    "interrupts-in-init": {"init": "raise KeyboardInterrupt"},
    "leaves-hooks": {
        "init": "torch.nn.modules.module.register_module_forward_hook(louder)",
        "before": """

def louder(module, inputs, output):
    return output * 1.01 if isinstance(output, torch.Tensor) else output
""",
    },
    "leaves-modes": {
        "init": "Louder().__enter__()",
        "before": """from torch.overrides import TorchFunctionMode


class Louder(TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        return result * 1.01 if function is torch.nn.functional.relu else result
""",
    },
    "leaves-flags": {"init": "torch.backends.mkldnn.enabled = False"},
    "wide-code": {"encode": "return torch.cat([self.encoder(x), self.encoder(x)], -1)"},
}
#: Those that only a child process survives.
HOSTILE_VARIANTS = {
    "sleeps": {"loss": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"},
    "sleeps-in-init": {"init": "time.sleep(3600)"},
    "allocates": {"loss": "self.kept = []\n        while True: self.kept.append(np.ones(1 << 20))"},
    "dies": {"loss": "os._exit(9)"},
    "crashes": {"loss": "os.kill(os.getpid(), signal.SIGSEGV)"},
    "forks": {"loss": "os.fork() or time.sleep(3600); raise RuntimeError('after fork')"},
    "closes-files": {"loss": "os.closerange(3, 256)"},
    "dies-at-the-second": {
        "before": 'DONE, TAME = __file__ + ".done", __file__ + ".tame"',
        "loss": "os.path.exists(DONE) and not os.path.exists(TAME) and float(batch.progress) < 0.5 and os._exit(9)\n"
        '        self.training and float(batch.progress) > 0.9 and open(DONE, "w").close()',
        "after": "DiesAtTheSecond.stackable = False",
    },
}
#: Those that would take the process along in which they are imported or built.
FATAL_VARIANTS = {
    "dies-on-import": {"before": "os._exit(9)"},
    "dies-in-init": {"init": "os._exit(9)"},
    "hangs-on-import": {"before": "time.sleep(3600)"},
    "holds-the-interpreter": {"init": 'import re; re.match("(a+)+b", "a" * 60)'},
}
DATASETS = {
    "data-raise-on-import": {"before": 'raise RuntimeError("import broke")'},
    "data-raise": {"during": 'raise RuntimeError("load broke")'},
    "data-exit": {"during": "raise SystemExit(0)"},
    "data-not-a-split": {"split": "x"},
    "data-nan": {"during": "x[7, 2] = np.nan"},
    "data-double": {"during": "x = x.astype(np.float64)"},
    "data-text": {"during": 'x = np.full((300, 6), "a")'},
    "data-one-dimension": {"during": "x = x[:, 0]"},
    "data-uneven": {"split": "Split(x[:200], x[200:250, :3], x[250:])"},
    "data-without-test": {"split": "Split(x, x[:50], x[:0])"},
    "data-constant": {"during": "x[:] = 0.5"},
    "data-change-globals": {"during": "torch.set_default_dtype(torch.float64); np.random.seed(3)"},
}


def write_plugins(folder: Path) -> Path:
    """Write every plugin above to `folder` and return it."""
    folder.mkdir()
    for name, parts in {**VARIANTS, **HOSTILE_VARIANTS, **FATAL_VARIANTS}.items():
        blank = {"before": "", "init": "pass", "loss": "pass", "terms": _TERMS, "encode": "pass", "after": ""}
        title = "".join(word.capitalize() for word in name.split("-"))
        text = _VARIANT.format(**{**blank, **parts}, name=title)
        (folder / f"{name.replace('-', '_')}.py").write_text(text)
    for name, parts in DATASETS.items():
        blank = {"before": "", "during": "pass", "split": "Split(x[:200], x[200:250], x[250:])"}
        (folder / f"{name.replace('-', '_')}.py").write_text(_DATA.format(**{**blank, **parts}))
    return folder
