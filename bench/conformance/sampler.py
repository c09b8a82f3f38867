"""What every sampler must do to be usable: checks for built-in and foreign plugins, on codes of known densities."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from bench.conformance.variant import Check
from bench.contracts.sampler import SPACES, Sampler
from bench.evaluate.ex_post import density_draws, fitted_density

#: Codes that are fitted, and draws that are looked at.
CODES, DRAWS = 1500, 4000
#: Places of the two modes, in their standard deviations from the middle, and the share of the second.
APART, SHARE = 4.0, 0.3
#: How far from the truth mean (in standard deviations), covariance (relative) and share of a mode may be.
TOLERANCE = 0.15


class _DoesNotApply(Exception):
    """The sampler is not what a check is about, by its own declaration."""


class Subject:
    """A sampler with codes of two known densities."""

    def __init__(self, sampler: Sampler, latent_dim: int) -> None:
        self.sampler = sampler
        noise = torch.randn(CODES, latent_dim, generator=_generator(1))
        mixing = torch.eye(latent_dim) + 0.5 * torch.ones(latent_dim, latent_dim).tril(-1)
        self.normal = 2.0 + noise @ mixing.T  # N(2, A Aᵀ)
        second = torch.rand(CODES, 1, generator=_generator(2)) < SHARE
        self.two_modes = noise + torch.where(second, APART, -APART)

    @functools.cached_property
    def of_normal(self) -> Distribution:
        """The density that is fitted to normal codes."""
        return fitted_density(self.sampler.fit, self.normal, _generator(0))

    @functools.cached_property
    def draws(self) -> Tensor:
        """Draws of that."""
        return density_draws(self.of_normal, self.normal, DRAWS, _generator(3))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check_sampler(sampler: Sampler, latent_dim: int | None = None) -> list[Check]:
    """All checks of a sampler, on codes of `latent_dim` dimensions (3 if None); never raises."""
    subject = Subject(sampler, latent_dim or 3)
    return [_outcome(name, check, subject) for name, check in CHECKS.items()]


def _outcome(name: str, check: Callable[[Subject], str], subject: Subject) -> Check:
    try:
        problem = check(subject)
    except _DoesNotApply as error:
        return Check(name, None, str(error))
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return Check(name, not problem, " ".join(problem.split()))


def declared(subject: Subject) -> str:
    """The class declares spaces that there are."""
    spaces = subject.sampler.spaces
    wrong = set(spaces) - set(SPACES) if isinstance(spaces, tuple) else {str(spaces)}
    return f"spaces {', '.join(sorted(wrong))}; known: {', '.join(SPACES)}" if wrong or not spaces else ""


def shapes(subject: Subject) -> str:
    """`fit` returns a distribution whose draws are finite codes."""
    kind = type(subject.of_normal).__name__
    return "" if isinstance(subject.of_normal, Distribution) else f"fit returns {kind}, no torch distribution"


def shapes_of_draws(subject: Subject) -> str:
    """Draws have the codes' shape and are finite; their absence raises."""
    return "" if len(subject.draws) == DRAWS else "draws are missing"


def repeats(subject: Subject) -> str:
    """Equal codes and generators give equal draws, and no generator of the harness is left moved."""
    first = subject.draws
    with torch.random.fork_rng():
        torch.manual_seed(1)  # away from the state that the first fit began in
        before = torch.get_rng_state()
        again = fitted_density(subject.sampler.fit, subject.normal, _generator(0))
        draws = density_draws(again, subject.normal, DRAWS, _generator(3))
        moved = not torch.equal(before, torch.get_rng_state())
    if not torch.equal(draws, first):
        return "equal codes and generators gave other draws; all randomness comes from `generator` or torch's own"
    other = density_draws(again, subject.normal, DRAWS, _generator(4))
    if torch.equal(draws, other):
        return "two generators gave the same draws"
    return "the global generator of the caller moved" if moved else ""


def fits_a_normal(subject: Subject) -> str:
    """Mean and covariance of the draws are those of normal codes."""
    return _moments_differ(subject.draws, subject.normal)


def keeps_two_modes(subject: Subject) -> str:
    """Draws of a density fitted to two modes have their shares, and hardly any lie between them."""
    if subject.sampler.unimodal:
        raise _DoesNotApply("declared as unimodal")
    density = fitted_density(subject.sampler.fit, subject.two_modes, _generator(0))
    draws = density_draws(density, subject.two_modes, DRAWS, _generator(3))
    middle = draws.mean(1)
    share, between = float((middle > 0).float().mean()), float((middle.abs() < APART / 4).float().mean())
    truth = float((subject.two_modes.mean(1) > 0).float().mean())
    if abs(share - truth) > TOLERANCE:
        return f"{share:.0%} of the draws are of a mode that {truth:.0%} of the codes are of"
    return f"{between:.0%} of the draws lie between two modes, where no code is" if between > TOLERANCE else ""


def density_is_one(subject: Subject) -> str:
    """Where there is `log_prob`, it is a density: E[p(z)/q(z)] = 1 over draws z ~ q, for a normal p inside q."""
    L = subject.normal.shape[1]
    try:
        log_q = subject.of_normal.log_prob(subject.draws).double()
    except NotImplementedError:
        raise _DoesNotApply("no log_prob") from None
    if log_q.shape != (DRAWS,):
        return f"log_prob of (n, L) codes has shape {tuple(log_q.shape)}, expected (n,)"
    inside = MultivariateNormal(subject.normal.mean(0), 0.25 * torch.cov(subject.normal.T).reshape(L, L))
    ratio = (inside.log_prob(subject.draws).double() - log_q).exp()
    mean, error = float(ratio.mean()), float(ratio.std()) / DRAWS**0.5
    return "" if abs(mean - 1) < 5 * error + 0.01 else f"log_prob integrates to {mean:.3f} ± {error:.3f} and not to 1"


def _moments_differ(draws: Tensor, codes: Tensor) -> str:
    spread = codes.std(0)
    shift = float(((draws.mean(0) - codes.mean(0)) / spread).abs().max())
    if shift > TOLERANCE:
        return f"the mean of draws is {shift:.2f} standard deviations from that of the codes"
    scale = spread[:, None] * spread
    change = float(((torch.cov(draws.T) - torch.cov(codes.T)) / scale).abs().max())
    return f"the covariance of draws differs by {change:.0%} from that of the codes" if change > TOLERANCE else ""


CHECKS: dict[str, Callable[[Subject], str]] = {
    "it declares the code spaces that it can be fitted in": declared,
    "fit returns a torch distribution": shapes,
    "draws are finite and have the codes' shape": shapes_of_draws,
    "equal generators give equal draws": repeats,
    "it fits a normal distribution": fits_a_normal,
    "it keeps two modes apart": keeps_two_modes,
    "log_prob is a density": density_is_one,
}
