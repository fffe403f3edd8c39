"""Endpoints, the life of workers, and the one way a request takes to an engine and back."""
