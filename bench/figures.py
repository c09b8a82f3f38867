"""`bench.figures`: plots for notebooks and papers that return matplotlib axes; see `bench.reports.figures`."""

from bench.reports.figures import *  # noqa: F403
from bench.reports.figures import __all__ as __all__
