"""What holds for the measurements of any model, however odd."""

import numpy as np

STATUSES = {"ok", "n/a", "too_few", "flagged"}


def accounted(values):
    """Every measurement has a finite number or a reason, and a reason unless it is ok."""
    for name, measured in values.items():
        assert measured.status in STATUSES, name
        if measured.value is None:
            assert measured.status in ("n/a", "too_few") and measured.reason, name
        else:
            assert np.isfinite(measured.value), name
        assert (measured.reason is None) == (measured.status == "ok"), name
        assert "defect" not in (measured.reason or ""), (name, measured.reason)
        assert "failed" not in (measured.reason or ""), (name, measured.reason)
