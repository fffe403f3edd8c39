"""What a license asks of one organization: allow, allow with duties, review or deny, each with clause and section."""

from freehold.catalog.policy.check import Asker, Shelf, check, check_claim
from freehold.catalog.policy.verdict import Duty, Reading, Reason, Risk, Verdict

__all__ = ["Asker", "Duty", "Reading", "Reason", "Risk", "Shelf", "Verdict", "check", "check_claim"]
