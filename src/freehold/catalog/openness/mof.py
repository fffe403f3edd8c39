"""The class the Model Openness Framework 1.0 would give: I (open science), II (open tooling), III (open model) or none.

The framework asks of each class for components, and for each component for an open license. The lists are those of the
Model Openness Tool (lfai/model_openness_tool, web/modules/mof/config/install/mof.settings.yml@4e285940, its
required components) and the rule is its evaluator's (ModelEvaluator.php@a5f00fad): a class holds when every component
of it and of the classes below is there and open. The framework judges a release by what it ships itself, so ancestors
do not count here. The catalog keeps report and paper as one component, which stands for both: where class I is reached,
the paper is worth a look. This is Freehold's computation by their rules, not their verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from freehold.catalog.model import CatalogModel
from freehold.catalog.openness.published import Range, own_components

MofClass = Literal["none", "III", "II", "I"]

MOF_VERSION = "1.0"
MOF_CLASSES: Mapping[MofClass, tuple[str, ...]] = {
    "III": ("weights_final", "architecture", "model_card", "data_card", "tech_report", "eval_results"),
    "II": ("training_code", "inference_code", "eval_code", "eval_data"),
    "I": ("datasets", "preprocessing_code", "weights_intermediate"),
}
"""What each class asks for beyond the one before it, in the catalog's names."""


@dataclass(frozen=True, slots=True)
class Mof:
    """The class as an interval from `low` to `high`.

    `missing`: what keeps it from the class above `high`. `unknown`: what would tell `low` from `high`.
    """

    low: MofClass
    high: MofClass
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def mof(model: CatalogModel) -> Mof:
    """The class of `model`'s release by its own row. Withheld weights are in no class."""
    return mof_of(own_components(model))


def mof_of(components: Mapping[str, Range]) -> Mof:
    """The class that `components` reach: "restricted" is there without an open license, "partial" is not all there."""
    low: MofClass = "none"
    high: MofClass = "none"
    missing: tuple[str, ...] = ()
    unknown: list[str] = []
    certain = True
    for name, asked in MOF_CLASSES.items():
        missing = tuple(each for each in asked if components[each].high != "open")
        if missing:
            break
        open_questions = [each for each in asked if components[each].low != "open"]
        certain = certain and not open_questions
        unknown += open_questions
        high, low = name, name if certain else low
    return Mof(low, high, missing, tuple(unknown))
