"""The bases that plugins build on: `contracts.variant` (torch), `contracts.dataset` and `contracts.metric` (no torch)."""
