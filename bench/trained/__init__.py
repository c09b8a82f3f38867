"""What is done with the models of a finished run: one is chosen, scores tomorrow's rows, and is exported."""
