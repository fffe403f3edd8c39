"""How open a model is: what its license leaves free, what was published, and the verdicts others would give.

Pure functions over catalog rows and license records. Unknown is not no: every answer is an interval, with the evidence
that would close it; whoever decides by it uses the lower bound.
"""

from freehold.catalog.openness.assess import Missing, Openness, assess
from freehold.catalog.openness.freedom import Freedom
from freehold.catalog.openness.label import LABELS, Label
from freehold.catalog.openness.mof import Mof
from freehold.catalog.openness.osaid import Osaid
from freehold.catalog.openness.published import Published

__all__ = ["LABELS", "Freedom", "Label", "Missing", "Mof", "Openness", "Osaid", "Published", "assess"]
