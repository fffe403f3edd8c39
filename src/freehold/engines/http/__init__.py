"""The HTTP of workers that are written here: connections, request bodies, refusals, and the shape of answers."""
