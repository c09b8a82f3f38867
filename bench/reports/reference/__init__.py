"""The documents in results/reference, printed from run files."""
