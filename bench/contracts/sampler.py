"""What a sampler plugin is: a density fitted to the codes of training data after training, to draw new codes from.

One concrete `Sampler` per file; its `__init__` is its configuration. A variant without a prior can be sampled from at
all, and one with a prior from where its codes really are (Ghosh et al., arXiv 1903.12436).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributions import Distribution

#: Code spaces by name, and why a sampler that does not declare one has no draws there.
SPACES = {
    "euclidean": "codes are all of R^L, and it draws from a finite set or a part of it",
    "subset": "codes fill a part of R^L only, such as a sphere, and it draws from all of R^L",
    "discrete": "codes come from a finite set, and it draws from all of R^L",
}
#: Training codes below which nothing is fitted.
LEAST_CODES = 100


class Sampler:
    """Base of every sampler plugin.

    Class attributes:
        reference: the paper.
        spaces: keys of `SPACES`: where it can be fitted; elsewhere its values are n/a with the reason. Draws on a
            "subset" or of a "discrete" code are moved to the nearest valid code before they are decoded.
        unimodal: whether it fits one mode only by its definition, so that nobody expects two of it.
    """

    reference: ClassVar[str] = ""
    spaces: ClassVar[tuple[str, ...]] = ("euclidean",)
    unimodal: ClassVar[bool] = False

    def fit(self, codes: Tensor, generator: torch.Generator) -> Distribution:
        """The density of codes (N, L), N ≥ 100, as a torch distribution with event (L,) on the codes' device.

        It needs `sample`; `log_prob` is welcome. What is random in the fit comes from `generator`, which is on the CPU,
        or from torch's global generator, which the harness seeds for the fit and for the draws. The codes, float32,
        are a copy; gradients are on.
        """
        raise NotImplementedError(f"{type(self).__name__} must define fit(codes, generator)")


def space_of(discrete: bool, euclidean: bool) -> str:
    """Which of `SPACES` codes come from: a finite set, all of R^L, or a part of it."""
    return "discrete" if discrete else "euclidean" if euclidean else "subset"
