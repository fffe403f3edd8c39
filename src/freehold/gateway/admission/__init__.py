"""Who goes on to a worker now, who waits for it, and who is turned away."""
