"""Who may ask this house what, and how much: API keys, their scopes and their limits."""
