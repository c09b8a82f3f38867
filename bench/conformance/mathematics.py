"""What a variant's formulas must satisfy: gradients, buffers, projected codes, densities, likelihoods, scores.

Gradients are compared with central differences in float64; densities are integrated, over R in one dimension and by
importance sampling along draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from bench.contracts.variant import Batch, Variant
from bench.evaluate.declared_score import declared_score
from bench.evaluate.latent_density import draw, draw_with_log_prob, has_density, joint_log_prob
from bench.train.noise import GeneratorDraw
from bench.train.stack import loss_parts, owned_parameters

if TYPE_CHECKING:
    from bench.conformance.variant import Subject

#: Half the distance of a central difference: kinks are rarely crossed, and float64 keeps ten digits of the difference.
STEP = 1e-6
#: Largest error of a derivative, relative to the term and to the derivative.
DERIVATIVE_ERROR = 1e-6
#: Rows of the batches whose derivatives are taken: formulas over a batch need more than one.
ROWS = 6
#: Draws of an importance-sampled integral, its standard errors that a deviation may have, and the share beyond them.
DRAWS, DEVIATIONS, SLACK = 20_000, 5.0, 0.02


class _DoubleDraw(GeneratorDraw):
    """The draws of `GeneratorDraw` in float64."""

    def _filled(self, kind: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        found = super()._filled(kind, shape, dtype)
        return found.double() if found.is_floating_point() else found


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _terms(model: Variant, subject: Subject, seed: int = 0) -> dict[str, Tensor]:
    """Terms of one call in float64 on the subject's first rows, with the draws of `seed`."""
    x, progress = subject.x[:ROWS].double(), torch.tensor(0.5, dtype=torch.float64)
    before = [buffer.clone() for buffer in model.buffers()]
    y = None if subject.y is None else subject.y[:ROWS]
    result = model.loss(Batch(x, y, progress, len(subject.x)), _DoubleDraw(_generator(seed)))
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), before, strict=True):
            if not torch.equal(buffer, value):  # a change in place would be seen as a derivative
                buffer.copy_(value)
    return loss_parts(result)[0]


def gradients_are_derivatives(subject: Subject) -> str | None:
    """Every player's gradient is the derivative of its term along a random direction of each of its parameters."""
    model = subject.model().double()
    if model.straight_through:
        return "declared as straight_through: gradients are not derivatives on purpose"
    for term, names in owned_parameters(model).items():
        for name, parameter in model.named_parameters():
            if name in names:
                _check_derivative(model, subject, term, name, parameter)
    return None


def _check_derivative(model: Variant, subject: Subject, term: str, name: str, parameter: Tensor) -> None:
    direction = torch.randn(parameter.shape, generator=_generator(1), dtype=torch.float64)
    direction /= direction.norm().clamp_min(1e-12)
    value = _terms(model, subject)[term].mean()
    if value.dtype != torch.float64:
        raise AssertionError(f"the term {term!r} of a float64 model is {value.dtype}; keep the type of the data")
    gradient = torch.autograd.grad(value, parameter, allow_unused=True)[0]
    along = 0.0 if gradient is None else float((gradient * direction).sum())
    ends = []
    for sign in (1, -2):  # from θ to θ + h, and on to θ - h
        with torch.no_grad():
            parameter += sign * STEP * direction
        ends.append(float(_terms(model, subject)[term].mean().detach()))
    with torch.no_grad():
        parameter += STEP * direction
    measured = (ends[0] - ends[1]) / (2 * STEP)
    if abs(along - measured) > DERIVATIVE_ERROR * (1 + abs(float(value.detach())) + abs(measured)):
        raise AssertionError(
            f"the gradient of {term!r} by {name} is {along:.6g} along a direction in which the term changes by "
            f"{measured:.6g}; set straight_through = True if that is meant"
        )


def gradients_reach_parameters(subject: Subject) -> None:
    """Some gradient of its player's term reaches each parameter, but for those that the variant says are untrained."""
    model = subject.model().double()
    lost: list[str] = []
    reached: list[str] = []
    for term, names in owned_parameters(model).items():
        own = [parameter for name, parameter in model.named_parameters() if name in names]
        moved = [False] * len(own)
        for seed in range(3):
            found = torch.autograd.grad(_terms(model, subject, seed)[term].mean(), own, allow_unused=True)
            moved = [m or (g is not None and bool(g.ne(0).any())) for m, g in zip(moved, found, strict=True)]
        for name, is_moved in zip(names, moved, strict=True):
            declared = any(name.startswith(prefix) for prefix in model.untrained)
            if is_moved == declared:
                (reached if is_moved else lost).append(name)
    if lost:
        raise AssertionError(f"no gradient reaches {', '.join(lost)}; name them in `untrained` if that is meant")
    if reached:
        raise AssertionError(f"a gradient reaches {', '.join(reached)}, which `untrained` names")


def buffers_are_pure(subject: Subject) -> str | None:
    """Equal calls return equal buffers, and a call leaves those of the model as they are."""
    model = subject.model()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    first, second = (loss_parts(subject.outcome(model, subject.x, subject.y))[1] for _ in range(2))
    if any(not torch.equal(buffer, before[name]) for name, buffer in model.named_buffers()):
        return "buffers are written in place, so that steps are not recorded; return (terms, {name: new value})"
    if not first:
        return "loss returns no buffers"
    for name, value in first.items():
        if not torch.equal(value, second[name]):
            raise AssertionError(f"two equal calls return other values of the buffer {name!r}")
        if value.requires_grad:
            raise AssertionError(f"the new value of the buffer {name!r} carries a gradient; detach it")
    return None


@torch.no_grad()
def projects_on_codes(subject: Subject) -> str | None:
    """`project` keeps shapes, changes nothing the second time, and leaves codes and draws of the prior in place."""
    model = subject.model().eval()
    if model.project is None:
        return "every point of R^L is a code"
    anywhere = 3 * torch.randn((50, model.latent_dim), generator=_generator(2))
    if (found := model.project(anywhere)).shape != anywhere.shape:
        raise AssertionError(f"project of {tuple(anywhere.shape)} returns {tuple(found.shape)}")
    fixed = {"a projected code": found}
    if model.encode is not None:
        fixed["a code of encode"] = model.encode(subject.x)
    if model.prior is not None:
        fixed["a draw of the prior"] = draw(model.prior(), (50,), _generator(3))
    for what, codes in fixed.items():
        for given in (codes, codes.expand(2, *codes.shape)):
            found = model.project(given)
            if found.shape != given.shape:
                raise AssertionError(f"project of {tuple(given.shape)} returns {tuple(found.shape)}")
            if float((found - given).abs().max()) > 1e-5 * (1 + float(given.abs().max())):
                raise AssertionError(f"project moves {what}")
    return None


def posterior_weighs_its_draws(subject: Subject) -> str | None:
    """The log densities that a posterior gives with its draws are those of its `log_prob`, or make E[f/q] = ∫f."""
    model = subject.model().eval()
    along = None if model.posterior is None else getattr(model.posterior(subject.x), "sample_and_log_prob", None)
    if along is None:
        return "no posterior with sample_and_log_prob"
    q = model.posterior(subject.x[:1])
    with torch.no_grad():
        z, log_q = draw_with_log_prob(q, (DRAWS,), _generator(4))
        if tuple(log_q.shape) != (DRAWS, 1) or tuple(z.shape) != (DRAWS, 1, model.latent_dim):
            found = f"{tuple(z.shape)}, {tuple(log_q.shape)}"
            raise AssertionError(f"sample_and_log_prob((S,)) of one row returns {found}; expected (S, 1, L), (S, 1)")
        if has_density(q) and not torch.allclose(joint_log_prob(q, z), log_q, rtol=1e-3, atol=1e-3):
            raise AssertionError("sample_and_log_prob and log_prob differ")
        codes = z[:, 0].double()
        narrow = torch.cov(codes.T).reshape(len(codes.T), -1) / 2 + 1e-9 * torch.eye(len(codes.T), dtype=torch.float64)
        ratio = (MultivariateNormal(codes.mean(0), narrow).log_prob(codes) - log_q[:, 0].double()).exp()
    mean, error = float(ratio.mean()), float(ratio.std()) / DRAWS**0.5
    if not abs(mean - 1) < DEVIATIONS * error + SLACK:
        raise AssertionError(f"the log densities of sample_and_log_prob are off: a density integrates to {mean:.3g}")
    return None


def likelihood_is_a_density(subject: Subject) -> str | None:
    """exp(log_likelihood) of data of one dimension is a density, and has the stated shapes.

    It integrates to 1 over R or over [0, 1], or adds up to 1 over {0, 1} or over the 256 levels of a pixel.
    """
    if subject.kind.log_likelihood is None:
        return "no log_likelihood of its own"
    model = subject.model(data_shape=(1,)).double().eval()
    grid = torch.linspace(-12, 12, 20_001, dtype=torch.float64).sinh()
    unit, levels = (torch.linspace(0, 1, points, dtype=torch.float64) for points in (20_001, 256))
    for seed in range(3):
        z = torch.randn((1, 1, model.latent_dim), generator=_generator(seed), dtype=torch.float64)
        totals = [torch.trapezoid(_density(model, z, points), points) for points in (grid, unit)]
        totals += [_density(model, z, points).sum() for points in (unit[[0, -1]], levels)]
        if not any(abs(float(total) - 1) < 1e-3 for total in totals):
            raise AssertionError(
                f"exp(log_likelihood) is no density of data of one dimension: it integrates to {float(totals[0]):.4g}"
            )
    return None


def scores_rows(subject: Subject) -> str | None:
    """`anomaly_score` gives each row one finite number, the same each time and whatever rows stand beside it."""
    score = declared_score(subject.model().eval())
    if score is None:
        return "no anomaly_score of its own"
    found = score(subject.x)
    if not bool(torch.isfinite(found).all()):
        raise AssertionError("anomaly_score gives a row a score that is no finite number")
    others = {"of the same rows again": score(subject.x), "of rows in another order": score(subject.x.flip(0)).flip(0)}
    for which, scores in others.items():
        if not torch.allclose(found, scores, rtol=1e-4, atol=1e-5):
            raise AssertionError(f"anomaly_score {which} is another; it may neither draw nor look at other rows")
    return None


def _density(model: Variant, z: Tensor, points: Tensor) -> Tensor:
    """p(x|z) of one code z (1, 1, L) at points (G,): (G,)."""
    with torch.no_grad():
        found = model.log_likelihood(z.expand(1, len(points), -1), points[:, None])
    if tuple(found.shape) != (1, len(points)):
        shapes = f"{tuple(found.shape)}, expected {(1, len(points))}"
        raise AssertionError(f"log_likelihood of (S, B, L) codes returns {shapes}")
    return found[0].exp()
