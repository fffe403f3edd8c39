"""Somebody else's OpenAI-compatible API as an engine: no process, an address and a key."""
