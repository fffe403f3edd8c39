"""Tools on engines that do not know them, or that cannot be made to use them: `adapt` and its `ToolReader`."""

from freehold.gateway.toolcalls.adapt import adapt
from freehold.gateway.toolcalls.reader import ToolReader

__all__ = ["ToolReader", "adapt"]
