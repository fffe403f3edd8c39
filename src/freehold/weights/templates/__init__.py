"""Chat templates read as syntax trees: what they could do to the program that renders them, and to the conversation.

Nothing here renders a template, imports one or evaluates an expression of one with its own operators: what is folded
is folded by `fold`, within bounds. `check_templates` is the door. jinja2 is imported only when a template is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from freehold.weights.checks import Findings

__all__ = ["check_templates", "known_templates"]


def check_templates(templates: Iterable[tuple[str, str]], findings: Findings, known: Mapping[str, str]) -> None:
    """Report what the templates of one file, each with the place where it was found, could do; `known` are names by
    fingerprint. Together they may be as long as one may be, and each text is looked at once."""
    from freehold.weights.templates.check import check_template
    from freehold.weights.templates.parse import MAX_CHARACTERS

    looked_at: set[str] = set()
    left = MAX_CHARACTERS
    # The shortest first: none is kept from being read by one that is long for that.
    for where, text in sorted(templates, key=lambda each: len(each[1])):
        if text in looked_at:
            continue
        looked_at.add(text)
        left -= len(text)
        if left < 0:
            what = f"With the chat template {where}, its templates have more than the {MAX_CHARACTERS:,} characters"
            return findings.add("template.size", f"{what} that are read.")
        check_template(text, where, findings, known)
    return None


@cache
def known_templates() -> Mapping[str, str]:
    """Names of well-known chat templates by fingerprint, from `known.toml`."""
    import tomli

    data = resources.files("freehold.weights.templates").joinpath("known.toml").read_text(encoding="utf-8")
    return {fingerprint: name for name, fingerprint in tomli.loads(data)["fingerprints"].items()}
