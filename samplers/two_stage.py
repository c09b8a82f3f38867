"""Two-stage VAE: a second, small VAE on the training codes, z ~ N(m(u), γ I) with u ~ N(0, I) of the codes' dimension
and a learned γ (Dai and Wipf 2019, section 4). Of whitened codes minimise, per code of dimension r,

    E_q[‖w - m(u)‖²] / (2γ) + (r/2) ln γ + KL(q(u|w) ‖ N(0, I)).

Its aggregate posterior is closer to the prior than that of the first stage, because the latent fills the space.
"""

import math

import torch
from torch import nn
from torch.distributions import Distribution

from bench import Sampler, number_in, whole_number
from bench.evaluate.ex_post import Placed, whitening

BATCH = 256
#: γ to begin with: from the variance of whitened codes, 1, the second stage would learn to ignore its latent.
FIRST_VARIANCE = 0.01
#: Least γ: one whose codes lie on a curve would go to 0.
LEAST_VARIANCE = 1e-4


class TwoStage(Sampler):
    """A second VAE whose data are the codes (Dai and Wipf 2019)."""

    reference = "Dai and Wipf 2019, arXiv 1903.05789"

    def __init__(self, hidden: int = 64, steps: int = 1500, lr: float = 8e-3):
        self.hidden = whole_number("hidden", hidden, 1)
        self.steps = whole_number("steps", steps, 1)
        self.lr = number_in("lr", lr, 0.0, 1.0, open_low=True)

    def fit(self, codes, generator):
        fit = whitening(codes)
        white = fit.whiten(codes).float()
        stage = SecondStage(fit.rank, self.hidden).to(codes.device)
        optimizer = torch.optim.Adam(stage.parameters(), self.lr, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        for _ in range(self.steps):
            rows = torch.randint(len(white), (BATCH,)).to(codes.device)
            loss = stage.loss(white[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return Placed(fit, SecondStageDraws(stage.requires_grad_(False)))


class SecondStage(nn.Module):
    """The VAE of codes (B, r); encoder and decoder have a linear path beside their hidden layers."""

    def __init__(self, width, hidden):
        super().__init__()
        self.encoder, self.encoder_linear = _layers(width, hidden, 2 * width), nn.Linear(width, 2 * width)
        self.decoder, self.decoder_linear = _layers(width, hidden, width), nn.Linear(width, width)
        self.log_variance = nn.Parameter(torch.tensor(math.log(FIRST_VARIANCE)))

    def loss(self, w):
        """The negative bound of each code, without constants: (B, r) → (B,)."""
        mean, log_variance = (self.encoder(w) + self.encoder_linear(w)).chunk(2, -1)
        log_variance = log_variance.clamp(-12, 12)
        u = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape).to(mean)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
        error = (w - self.decode(u)).square().sum(-1)
        return 0.5 * error / self.variance + 0.5 * w.shape[-1] * self.variance.log() + kl

    def decode(self, u):
        """m(u): (..., r) → (..., r)."""
        return self.decoder(u) + self.decoder_linear(u)

    @property
    def variance(self):
        """γ."""
        return self.log_variance.exp() + LEAST_VARIANCE


class SecondStageDraws(Distribution):
    """Draws m(u) + √γ ε, event (r,); there is no density in closed form."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, stage):
        self.stage, width = stage, stage.decoder_linear.in_features
        super().__init__(torch.Size(), torch.Size((width,)), validate_args=False)

    def sample(self, sample_shape=()):
        like = self.stage.decoder_linear.weight
        u, noise = torch.randn((2, *sample_shape, *self.event_shape)).to(like)
        with torch.no_grad():
            return self.stage.decode(u) + self.stage.variance.sqrt() * noise


def _layers(inputs, hidden, outputs):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
                         nn.Linear(hidden, outputs))  # fmt: skip
