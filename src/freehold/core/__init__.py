"""L0: the words every other package shares: errors, references, settings, paths, ports, progress."""
