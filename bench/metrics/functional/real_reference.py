"""What real held-out data score, beside which sample metrics are read: nothing can be better than the data."""

from __future__ import annotations

from bench.contracts.metric import Estimate, Flagged, Missing

#: A value is beyond the real reference when it is better by more than this many standard errors of their difference.
SIGMAS = 2.0


def beyond_real(
    found: Estimate | Flagged | Missing, real: Estimate | Flagged | Missing, higher_is_better: bool
) -> Estimate | Flagged | Missing:
    """`found`, flagged where it is better than real data beyond the Monte-Carlo error of the two."""
    if not isinstance(found, Estimate) or isinstance(real, Missing):
        return found
    noise = SIGMAS * ((found.error or 0.0) ** 2 + (real.error or 0.0) ** 2) ** 0.5
    gain = found.value - real.value if higher_is_better else real.value - found.value
    if gain <= noise:
        return found
    words = f"better than real held-out data, which score {real.value:.3g}: averaged or copied samples do"
    return Flagged(found.value, words, found.error)
