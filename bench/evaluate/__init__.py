"""From a trained model and its data to measurements: the view that metrics read, and what they share."""
