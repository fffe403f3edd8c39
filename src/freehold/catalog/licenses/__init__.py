"""Model licenses: what each one says, clause by clause. `recognize` says which one a text is, and is imported alone."""

from freehold.catalog.licenses.record import Clause, Clauses, License, TextRef
from freehold.catalog.licenses.shelf import Licenses

__all__ = ["Clause", "Clauses", "License", "Licenses", "TextRef"]
