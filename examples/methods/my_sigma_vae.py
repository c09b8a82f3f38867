"""σ-VAE (Rybkin et al. 2021, arXiv 2006.13202) with free bits (Kingma et al. 2016, arXiv 1606.04934) and a warm-up.

min -E_q ln N(xᵢ; Θ(Z), σ² I) + w(t) Σⱼ max(δ, KLⱼ): σ is learned, KLⱼ averaged over the batch, w(t) = min(1, t/t₀).
"""

import math

import torch

from bench import GaussianVariant, Incompatible, number_in
from bench.losses import gaussian_kl, standard_normal


class MySigmaVAE(GaussianVariant):
    """VAE that learns its decoder's σ; the first δ nats of a latent dimension are free, and so is the start."""

    kl_weight_value = 1.0  # the loss is in nats

    def __init__(self, free_nats: float = 0.1, warm_up: float = 0.2):
        super().__init__()
        self.free_nats = number_in("free_nats", free_nats, 0.0)
        self.warm_up = number_in("warm_up", warm_up, 0.0, 1.0, open_low=True)

    def setup(self, context):
        if context.cost.name != "squared":
            raise Incompatible("my-sigma-vae brings its own Gaussian likelihood; take --recon squared")
        start = 0.5 * math.log(context.auto_kl_weight() / 2)  # σ² of probabilistic PCA: from 1 the codes collapse
        self.log_sigma = torch.nn.Parameter(torch.full((), start))

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)  # (B, L) each
        z = self.draw_codes(mean, log_variance, draw, samples=1)  # (1, B, L)
        nll = -self.log_likelihood(z, batch.x).mean(0)  # (B,)
        kl = gaussian_kl(mean, log_variance)  # (B, L)
        paid = kl.mean(0).clamp_min(self.free_nats).sum()  # of the batch, ()
        weight = (batch.progress / self.warm_up).clamp(max=1.0)
        return {"loss": nll + weight * paid, "nll": nll, "kl": kl.sum(-1)}

    def log_likelihood(self, z, x):  # ELBO, IWAE, AIS and the choice between settings use it
        squared = self.cost(self.decode_params(z), x)  # ‖Θ(z)-x‖², (S, B)
        return -0.5 * squared * (-2 * self.log_sigma).exp() - x[0].numel() * (self.log_sigma + 0.5 * math.log(math.tau))

    @property
    def decoder_variance(self):
        return float((2 * self.log_sigma.detach()).exp())

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
