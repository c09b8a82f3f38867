"""p(z) = p(z₁) Πg p(zg | zg₋₁) over codes that training chose, in G equal parts: the discrete prior of a quantised
autoencoder, fitted after training (van den Oord et al. 2017, section 3.2). With G = 1 it is the codes' frequencies.
"""

import torch
from torch.distributions import Distribution

from bench import Incompatible, Sampler, whole_number


class Codebook(Sampler):
    """Frequencies of the codes that training chose, part after part as a chain (van den Oord 2017)."""

    reference = "van den Oord et al. 2017, arXiv 1711.00937"
    spaces = ("discrete",)

    def __init__(self, groups: int = 1):
        self.groups = whole_number("groups", groups, 1)

    def fit(self, codes, generator):
        width, rest = divmod(codes.shape[1], self.groups)
        if rest:
            raise Incompatible(f"groups={self.groups} does not divide the latent dimension {codes.shape[1]}")
        found = [part.unique(dim=0, return_inverse=True) for part in codes.split(width, dim=1)]
        before, counts = torch.zeros(len(codes), dtype=torch.int64, device=codes.device), []
        for values, index in found:
            table = torch.zeros(int(before.max()) + 1, len(values), device=codes.device)
            counts.append(
                table.index_put((before, index), torch.ones(len(codes), device=codes.device), accumulate=True)
            )
            before = index
        return Chain([values for values, _ in found], counts)


class Chain(Distribution):
    """Draws of parts one after another: values (Kg, L/G) and how often each followed each, (Kg₋₁, Kg); event (L,)."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, values, counts):
        self.values, self.counts = values, counts
        super().__init__(event_shape=torch.Size((sum(part.shape[1] for part in values),)), validate_args=False)

    def sample(self, sample_shape=()):
        index = torch.zeros(torch.Size(sample_shape).numel(), dtype=torch.int64)
        parts = []
        for values, counts in zip(self.values, self.counts, strict=True):
            index = torch.multinomial(counts.cpu()[index], 1)[:, 0]
            parts.append(values[index.to(values.device)])
        return torch.cat(parts, dim=1).reshape(*sample_shape, -1)
