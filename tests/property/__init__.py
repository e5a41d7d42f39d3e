"""Property tests: the models against plain readings of their definitions, on random histories."""
