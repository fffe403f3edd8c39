"""The worker's side of a confirmation: are the files that it opens the very ones that were hashed?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from freehold.core.builds import Stamp
from freehold.engines.inside import CannotServeError

_LOOK_AGAIN = "Try again. If it happens again, something writes there: `freehold deed verify` hashes every file."


def require(confirmed: Iterable[Sequence[Any]]) -> None:
    """Raise CannotServeError unless every file, a path and the numbers of its stamp, is the one that was hashed. Asked
    before the engine opens them and once it has loaded them: with the lock on it can open no others, without it a file
    swapped twice goes unseen."""
    for path, *numbers in confirmed:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise CannotServeError(f"{path} cannot be opened: {error.strerror}", hint=_LOOK_AGAIN) from error
        found = Stamp.of(os.fstat(descriptor))
        os.close(descriptor)
        if found != Stamp(*numbers):
            raise CannotServeError(f"{path} was changed or replaced after its hash was taken", hint=_LOOK_AGAIN)
