"""Engines: programs that run builds, and other people's APIs, behind one Protocol (`core.ports.Worker`)."""
