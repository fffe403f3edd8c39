"""Model licenses: what each one says, clause by clause, and which one a text is."""

from freehold.catalog.licenses.recognize import Recognition, recognize
from freehold.catalog.licenses.record import Clause, Clauses, License, TextRef
from freehold.catalog.licenses.shelf import Licenses

__all__ = ["Clause", "Clauses", "License", "Licenses", "Recognition", "TextRef", "recognize"]
