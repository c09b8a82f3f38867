"""One stack of cells: built, trained, evaluated, wherever its process is."""
