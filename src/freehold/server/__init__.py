"""The HTTP face of the house: routes, security, limits, metrics, and the process that serves them."""
