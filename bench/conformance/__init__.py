"""The suites that `aebench check` runs over variants, data sets and metrics."""
