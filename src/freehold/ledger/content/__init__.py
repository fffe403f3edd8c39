"""What requests asked and answered, where an endpoint's content is kept: sealed, beside the chain that names it."""
