"""A multivariate Student t with the mean and covariance of the codes: heavier tails than a normal's."""

import torch
from torch.distributions import Chi2, Distribution

from bench import Sampler, number_in


class Student(Sampler):
    """Multivariate Student t with `df` degrees of freedom."""

    unimodal = True

    def __init__(self, df: float = 20.0):
        self.df = number_in("df", df, 2.0, open_low=True)

    def fit(self, codes, generator):
        covariance = torch.cov(codes.T).reshape(codes.shape[1], -1) * (self.df - 2) / self.df
        return MultivariateStudent(codes.mean(0), torch.linalg.cholesky(covariance), self.df)


class MultivariateStudent(Distribution):
    """m + L ε √(df / χ²), event (L,)."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, mean, factor, df):
        self.mean_, self.factor, self.df = mean, factor, df
        super().__init__(event_shape=mean.shape, validate_args=False)

    def sample(self, sample_shape=()):
        noise = torch.randn(*sample_shape, *self.event_shape) @ self.factor.T
        chi_squared = Chi2(self.df).sample((*sample_shape, 1))
        return self.mean_ + noise * (self.df / chi_squared).sqrt()
