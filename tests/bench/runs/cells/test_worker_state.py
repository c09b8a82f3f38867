"""What is refused before a cell trains."""

from dataclasses import replace

import pytest
from runs import SMALL

from bench.errors import UsageError
from bench.runs.cells.worker_state import Workshop, check_fit
from bench.spec.request import resolve


@pytest.mark.parametrize("patience", [None, 3])
def test_early_stopping_without_validation_rows_would_do_nothing(tmp_path, patience):
    run = resolve({**SMALL, "early_stopping": patience, "output": tmp_path})
    cell = run.cells[0]
    split = Workshop(run.registry).split(cell)
    check_fit(cell, split)
    empty = replace(split, validation=split.validation[:0])
    if patience is None:
        check_fit(cell, empty)
    else:
        with pytest.raises(UsageError, match="no validation rows, so that --early-stopping would never stop"):
            check_fit(cell, empty)
