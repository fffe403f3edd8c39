"""Other dialects to and from OpenAI's chat completions: Anthropic's Messages, OpenAI's Responses.

Each dialect has `to_chat`, `from_chat` and `Stream`, and gives its stream as `Event`s. Everything here is pure.
Translated once here, both work on every engine, and repointing an endpoint never breaks a client.
"""
