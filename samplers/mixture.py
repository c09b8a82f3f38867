"""p(z) = Σₖ πₖ N(z; mₖ, Σₖ), fitted to whitened training codes by expectation maximisation (Ghosh et al. 2020)."""

from bench import Sampler, whole_number
from bench.evaluate.ex_post import mixture_density


class Mixture(Sampler):
    """Full-covariance Gaussian mixture of the codes (Ghosh 2020)."""

    reference = "Ghosh et al. 2020, arXiv 1903.12436"
    spaces = ("euclidean", "subset", "discrete")

    def __init__(self, components: int = 10):
        self.components = whole_number("components", components, 1)

    def fit(self, codes, generator):
        return mixture_density(codes, generator, min(self.components, len(codes)))
