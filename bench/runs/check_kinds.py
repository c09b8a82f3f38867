"""What a check before a run looks at, beside "variant" and "dataset" (`bench.runs.cells.task.Check`)."""

#: How many values a row of the cell's data has.
VALUES = "values"
