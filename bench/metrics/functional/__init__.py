"""The formulas of the metrics as pure functions of arrays and tensors, each testable on its own."""
