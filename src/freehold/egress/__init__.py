"""Where a house's connections may go: what enforces it, what was tried, and the report that shows both."""
