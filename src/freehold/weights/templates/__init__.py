"""Chat templates read as syntax trees: what they could do to the program that renders them, and to the conversation.

Nothing here renders a template, imports one or evaluates an expression of one with its own operators: what is folded
is folded by `fold`, within bounds. `check_template` is the door. jinja2 is imported only when a template is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from freehold.weights.checks import Findings

__all__ = ["check_template", "known_templates"]


def check_template(text: str, where: str, findings: Findings, known: Mapping[str, str]) -> None:
    """Report what the template `text`, found at `where`, could do; `known` are names by fingerprint."""
    from freehold.weights.templates.check import check_template as check

    check(text, where, findings, known)


@cache
def known_templates() -> Mapping[str, str]:
    """Names of well-known chat templates by fingerprint, from `known.toml`."""
    import tomllib

    data = resources.files("freehold.weights.templates").joinpath("known.toml").read_text(encoding="utf-8")
    return {fingerprint: name for name, fingerprint in tomllib.loads(data)["fingerprints"].items()}
