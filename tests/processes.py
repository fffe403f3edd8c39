"""The processes that a test itself started: other suites' session fixtures keep some of this program's too."""

from __future__ import annotations

import psutil


class OwnProcesses:
    """What came after this was made. Ended ones are not counted."""

    def __init__(self) -> None:
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}

    def now(self) -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)} - self._before
