"""Throughput of the sampling-and-loss core: what `aebench core` measures."""
