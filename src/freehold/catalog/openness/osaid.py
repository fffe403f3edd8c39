"""Whether a model is consistent with the Open Source AI Definition 1.0 of the Open Source Initiative (2024-10-28).

The definition asks for the freedom to use, study, modify and share for any purpose, and for three parts under terms
the OSI approves: information about the data, the complete code (preparing data, training with its settings, inference,
the architecture), and the parameters. It does not ask for the data. Code that validates or tests belongs to it only
where it was used; the catalog has no fact about that and does not judge it. This is Freehold's computation and not the
OSI's verdict, which is given beside it where the OSI looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.catalog.openness.freedom import FREEDOM_MEANS, Freedom
from freehold.catalog.openness.published import Range

OSAID_VERSION = "1.0"
OSAID_PARTS: Mapping[str, tuple[str, ...]] = {
    "parameters": ("weights_final",),
    "code": ("architecture", "inference_code", "training_code", "recipe", "preprocessing_code"),
    "data information": ("data_information",),
}
_WHY = {
    "absent": "was not published",
    "partial": "was published in part only",
    "restricted": "is under a license that the definition does not allow",
}


@dataclass(frozen=True, slots=True)
class Osaid:
    """`reasons` say why it is inconsistent; `unknown` names what would decide it: components, or "license"."""

    verdict: Literal["consistent", "inconsistent", "undetermined"]
    reasons: tuple[str, ...]
    unknown: tuple[str, ...]


def osaid(freedom: Freedom, components: Mapping[str, Range]) -> Osaid:
    """The verdict. One part that is known to fail is enough for "inconsistent", whatever else is unknown."""
    reasons: list[str] = []
    unknown: list[str] = []
    if freedom.high < 3:
        reasons.append(f"the license gives {FREEDOM_MEANS[freedom.high]} (F{freedom.high}, {freedom.high_from.model})")
    elif freedom.low < 3:
        unknown.append("license")
    for part, names in OSAID_PARTS.items():
        for name in names:
            state = components[name].high
            if state != "open":
                reasons.append(f"{part}: {name} {_WHY[state]}")
            elif not components[name].known:
                unknown.append(name)
    verdict: Literal["consistent", "inconsistent", "undetermined"] = "consistent"
    if reasons or unknown:
        verdict = "inconsistent" if reasons else "undetermined"
    return Osaid(verdict, tuple(reasons), tuple(unknown))
