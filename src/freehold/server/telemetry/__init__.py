"""Traces and metrics for a collector of the house's owner, over OTLP. Nothing of it is imported where none is named."""
