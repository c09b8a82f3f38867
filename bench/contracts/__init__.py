"""The bases that plugins build on: `contracts.variant` (torch); `contracts.dataset`, `contracts.metric` (no torch)."""
