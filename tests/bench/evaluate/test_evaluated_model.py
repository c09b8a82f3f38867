"""A trained variant as metrics see it: decodes of valid codes only, projected once, and a likelihood of its own."""

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.contracts.variant import Context, Variant
from bench.evaluate.declared_score import BATCH_ROWS
from bench.evaluate.evaluate import evaluate
from bench.evaluate.evaluated_model import evaluated_model
from bench.losses import ReconstructionCost
from bench.metrics.anomalies import Anomalies
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.trained_model import TrainedModel

CPU = torch.device("cpu")


class Doubling(Variant):
    """Its projection is not idempotent on purpose, so that each application shows."""

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)

    def project(self, z):
        return 2 * z


class Likely(Doubling):
    decoder_variance = 0.25

    def log_likelihood(self, z, x):
        return -self.reconstruction_cost(z, x).expand(z.shape[:-1])


def attached(kind, cost="squared"):
    return attach(kind(), Context((5,), 2, ReconstructionCost(cost), mlp([3]), 0, 10, None, lambda: 0.5))


def test_what_is_decoded_is_projected_once():
    z, x = torch.randn(4, 2), torch.rand(4, 5)
    for cost in ("squared", "bernoulli"):
        variant = attached(Doubling, cost)
        model = evaluated_model(variant, "doubling", 10, CPU)
        with torch.no_grad():
            assert torch.equal(model.decode_params(z), variant.decoder(2 * z))
            assert torch.equal(model.decode(z), variant.cost.mean(variant.decoder(2 * z)))
            assert torch.equal(model.encode(x), variant.encoder(x))
            loss = model.loss(x, None, torch.Generator())["loss"]
            assert torch.equal(loss, variant.cost(variant.decoder(variant.encoder(x)), x))
        assert not model.euclidean
        own = TrainedModel(variant, np.zeros(()), np.ones(()), {})
        # Other numbers of rows go through at once, so that the last bit may differ; projected twice, all would.
        np.testing.assert_allclose(own.decode(z.numpy()), model.decode(z).detach().numpy(), rtol=1e-6)


def test_a_variant_without_a_projection_is_euclidean_unless_its_codes_are_discrete():
    class Free(Doubling):
        project = None

    class Discrete(Free):
        discrete = True

    free, discrete = (evaluated_model(attached(kind), "free", 10, CPU) for kind in (Free, Discrete))
    assert (free.euclidean, free.discrete, discrete.euclidean, discrete.discrete) == (True, False, False, True)
    z = torch.randn(4, 2, requires_grad=True)
    assert free.decode(z).requires_grad


def test_a_likelihood_of_its_own_takes_valid_codes_and_states_its_variance():
    variant = attached(Likely)
    model = evaluated_model(variant, "likely", 10, CPU)
    z, x = torch.randn(3, 4, 2), torch.rand(4, 5)
    assert torch.equal(model.log_likelihood(z, x), variant.log_likelihood(2 * z, x))
    assert model.decoder_variance == 0.25
    silent = attached(type("Silent", (Likely,), {"decoder_variance": None}))
    silent.kl_weight_value = 1.0
    assert evaluated_model(silent, "silent", 10, CPU).decoder_variance is None
    plain = attached(Doubling)
    plain.kl_weight_value = 1.0
    assert evaluated_model(plain, "plain", 10, CPU).decoder_variance == 0.5


def test_a_declared_score_is_the_one_that_the_headline_of_anomalies_takes():
    """Rows that differ in their first column alone, by which the variant scores them, in batches of its own."""

    class First(Doubling):
        def anomaly_score(self, x):
            assert len(x) <= BATCH_ROWS
            return x[:, 0]

    rng = np.random.default_rng(0)
    normal, odd = rng.random((2 * BATCH_ROWS, 5), np.float32), rng.random((30, 5), np.float32)
    odd[:, 0] += 1
    split = Split(normal, normal[:5], normal, anomalies=odd)
    found = [evaluate(evaluated_model(attached(kind), "mine", 10, CPU), split, [Anomalies()]).values
             for kind in (First, Doubling)]  # fmt: skip
    assert found[0]["anomaly_auroc"].value == 1 == found[0]["anomaly_auroc_best"].value
    assert found[0]["anomaly_auroc_reconstruction"].value < 1
    assert found[1]["anomaly_auroc"].value == found[1]["anomaly_auroc_reconstruction"].value


def test_a_declared_score_of_another_shape_is_a_result_with_its_reason():
    class Wide(Doubling):
        def anomaly_score(self, x):
            return x

    split = Split(*np.random.default_rng(0).random((4, 20, 5), np.float32)[:3], anomalies=np.ones((3, 5), np.float32))
    found = evaluate(evaluated_model(attached(Wide), "wide", 10, CPU), split, [Anomalies()]).values["anomaly_auroc"]
    assert (found.value, found.status) == (None, "failed") and "return one number for each row" in found.reason
