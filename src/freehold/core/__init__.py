"""The words every other package shares: errors, references, settings, paths, ports, progress."""
