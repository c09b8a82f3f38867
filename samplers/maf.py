"""Masked autoregressive flow of the training codes: z = f⁻¹(u), u ~ N(0, I), f a stack of affine maps
uⱼ = (zⱼ - mⱼ(z_{<j})) e^{-aⱼ(z_{<j})}, fitted by maximum likelihood (Papamakarios et al. 2017, equations 3 to 5).

A twentieth of the codes is kept from the fit, and the flow with the best likelihood of these is taken: a flow that is
trained on few codes for long puts its density on them alone.
"""

import copy
import importlib.util

import torch

from bench import Sampler, UsageError, number_in, whole_number
from bench.evaluate.ex_post import Placed, whitening

HIDDEN = 64
BATCH = 256
#: Steps between two looks at the codes that are kept from the fit.
EVERY = 50


class MaskedAutoregressiveFlow(Sampler):
    """Masked autoregressive flow (Papamakarios 2017); needs zuko, the extra `flows`."""

    name = "maf"
    reference = "Papamakarios et al. 2017, arXiv 1705.07057"

    def __init__(self, transforms: int = 3, steps: int = 800, lr: float = 3e-3):
        self.transforms = whole_number("transforms", transforms, 1)
        self.steps = whole_number("steps", steps, 1)
        self.lr = number_in("lr", lr, 0.0, 1.0, open_low=True)
        if importlib.util.find_spec("zuko") is None:
            raise UsageError("sampler maf needs zuko, which is not installed; pip install 'aebench[flows]'")

    def fit(self, codes, generator):
        import zuko

        fit = whitening(codes)
        white = fit.whiten(codes).float()[torch.randperm(len(codes)).to(codes.device)]
        held, white = white[: len(white) // 20], white[len(white) // 20 :]
        flow = zuko.flows.MAF(fit.rank, transforms=self.transforms, hidden_features=(HIDDEN, HIDDEN)).to(codes.device)
        optimizer = torch.optim.Adam(flow.parameters(), self.lr, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        best, kept = float("inf"), flow.state_dict()
        for step in range(1, self.steps + 1):
            rows = torch.randint(len(white), (BATCH,)).to(codes.device)
            loss = -flow().log_prob(white[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % EVERY == 0 or step == self.steps:
                with torch.no_grad():
                    found = -float(flow().log_prob(held).mean())
                if found < best:
                    best, kept = found, copy.deepcopy(flow.state_dict())
        flow.load_state_dict(kept)
        return Placed(fit, flow.requires_grad_(False)())
