"""OpenAI's Responses API, as its Python client of version 3.54 sends and expects it."""

from freehold.gateway.translate.event import Event
from freehold.gateway.translate.responses.answer import from_chat
from freehold.gateway.translate.responses.request import to_chat
from freehold.gateway.translate.responses.stream import Stream

__all__ = ["Event", "Stream", "from_chat", "to_chat"]
