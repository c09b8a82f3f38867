"""The metric catalogue: one `Metric` per file; the formulas behind them are plain functions in `functional`."""
