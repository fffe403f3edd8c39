"""Model licenses: what each one says, and which one a text is."""
