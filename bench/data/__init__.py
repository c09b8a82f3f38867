"""From files and arrays to a `Split`: readers, labels, scaling, splitting, checks."""
