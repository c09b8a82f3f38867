"""From a resolved request to results in a run's directory: plan, engines, what is kept."""
