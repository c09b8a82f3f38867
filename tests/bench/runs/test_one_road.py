"""A request is resolved once, and every plugin's file is looked at once, whatever a run then does with it."""

from collections import Counter

import numpy as np

import bench
from bench.spec import registry, request


def test_a_run_resolves_its_request_once_and_looks_at_every_plugin_once(tmp_path, monkeypatch):
    looked, resolved = Counter(), []
    describe, resolve, discover = registry.describe_file, request.resolve, registry.Registry.discover.__func__

    def describing(path, *arguments, **options):
        looked[path] += 1
        return describe(path, *arguments, **options)

    def resolving(*arguments, **options):
        resolved.append("request")
        return resolve(*arguments, **options)

    def discovering(cls, *arguments, **options):
        resolved.append("plugins")
        return discover(cls, *arguments, **options)

    monkeypatch.setattr(registry, "describe_file", describing)
    monkeypatch.setattr(request, "resolve", resolving)
    monkeypatch.setattr(registry.Registry, "discover", classmethod(discovering))
    x = np.random.default_rng(0).random((60, 5), dtype=np.float32)
    frame = bench.run(["ae", "vae"], data=x, seeds=2, steps=5, latent_dim=2, metrics="test_mse", n_jobs=1,
                      output=tmp_path / "run", quiet=True)  # fmt: skip
    assert frame["cell_id"].nunique() == 4
    assert resolved == ["request", "plugins"]
    assert looked and set(looked.values()) == {1}
