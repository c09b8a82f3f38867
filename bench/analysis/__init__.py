"""Statistics and verdicts over a run's measurements, without torch."""
