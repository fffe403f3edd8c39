"""Anthropic's Messages API, as its Python client of version 2.12 sends and expects it."""

from freehold.gateway.translate.event import Event
from freehold.gateway.translate.messages.answer import from_chat
from freehold.gateway.translate.messages.request import to_chat, to_count
from freehold.gateway.translate.messages.stream import Stream, error_type

__all__ = ["Event", "Stream", "error_type", "from_chat", "to_chat", "to_count"]
