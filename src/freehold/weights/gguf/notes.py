"""Takes down what the checks of one file found; a few findings of each kind, and how many more there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from freehold.weights.gguf.checks import CHECKS
from freehold.weights.report import Finding

# A file can be wrong in a million places; a report is for people.
MOST_OF_A_KIND = 4
LONGEST_MESSAGE = 500


class Stopped(Exception):  # noqa: N818  it is no error of its own: why reading cannot go on is in the notes
    """Nothing after this place can be read."""


class Notes:
    """The findings of one file, called `file`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[Finding] = []
        self._times: Counter[str] = Counter()

    def say(self, check: str, message: str, offset: int | None = None) -> None:
        """Take down what `check` found. `message` is whole sentences; they do not repeat the file's name."""
        row = CHECKS[check]
        self._times[check] += 1
        if self._times[check] <= MOST_OF_A_KIND:
            self._found.append(Finding(check, row.severity, self.file, _plain(message), row.hint, offset, row.cves))

    def say_all(self, check: str, messages: Iterable[str], count: int) -> None:
        """Take down `count` findings of one check, of which only the first `messages` are asked for."""
        for message in islice(messages, MOST_OF_A_KIND):
            self.say(check, message)
        self._times[check] += max(0, count - MOST_OF_A_KIND)

    def stop(self, check: str, message: str, offset: int | None = None) -> Stopped:
        """As `say`, for the caller to raise: from here on nothing can be read."""
        self.say(check, message, offset)
        return Stopped()

    @property
    def empty(self) -> bool:
        """Nobody found anything."""
        return not self._found

    @property
    def refused(self) -> bool:
        """Something was found for which no engine may open the file."""
        return any(found.severity == "refuse" for found in self._found)

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, in the order of its place in the reading."""
        return tuple(self._counted(found for found in self._found if not CHECKS[found.check].undecided))

    def undecided(self) -> tuple[Finding, ...]:
        """What kept the file from being judged."""
        return tuple(self._counted(found for found in self._found if CHECKS[found.check].undecided))

    def _counted(self, found: Iterable[Finding]) -> Iterable[Finding]:
        seen: Counter[str] = Counter()
        for finding in found:
            seen[finding.check] += 1
            more = self._times[finding.check] - MOST_OF_A_KIND
            if more > 0 and seen[finding.check] == MOST_OF_A_KIND:
                message = f"{finding.message} There are {more:,} more of this kind."
                yield Finding(
                    finding.check,
                    finding.severity,
                    finding.file,
                    message,
                    finding.hint,
                    finding.offset,
                    finding.cves,
                )
            else:
                yield finding


def _plain(message: str) -> str:
    """The message as it can be printed: names in a file are a stranger's, and may be long or steer a terminal."""
    short = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} …"
    return (
        short if short.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
    )
