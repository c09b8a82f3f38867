"""What stands behind a result: the code that computed it, by syntax, and the files that its data were read from."""
