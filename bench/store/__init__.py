"""A run's directory: its records, arrays, checkpoints and lock, and their reading back."""
