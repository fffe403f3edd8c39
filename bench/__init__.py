"""Measures the claims of bench/README.md: one script per claim, `python -m bench` for all. Never part of the tests."""
