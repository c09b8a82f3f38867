"""N(m̂, Σ̂) of the training codes: what the columns of the fitted Gaussian draw from (Ghosh et al. 2020, section 4)."""

from bench import Sampler
from bench.evaluate.ex_post import gaussian_density


class Gaussian(Sampler):
    """One normal distribution with the mean and covariance of the codes (Ghosh 2020)."""

    reference = "Ghosh et al. 2020, arXiv 1903.12436"
    spaces = ("euclidean", "subset", "discrete")
    unimodal = True

    def fit(self, codes, generator):
        return gaussian_density(codes)
