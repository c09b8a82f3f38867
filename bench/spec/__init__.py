"""What is asked for: names and parameters, settings, presets, and the registry that finds plugins."""
