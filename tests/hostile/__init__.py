"""Hostile weight files, one for each check, written byte by byte apart from the readers they are for."""
