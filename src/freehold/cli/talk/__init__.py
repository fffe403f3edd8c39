"""The terminal chat: a conversation, what is typed, what is shown."""
