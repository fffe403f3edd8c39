"""Chat templates read as syntax trees: what they could do to the program that renders them, and to the conversation.

Nothing here renders a template, imports one or evaluates an expression of one with its own operators: what is folded
is folded by `fold`, within bounds. `check_template` is the door.
"""

from freehold.weights.templates.check import check_template

__all__ = ["check_template"]
