"""Exchanges the keys of what is kept below a home, and is killed before its change number STEP of the disk.

python -m tests.integration.rekey_cut_off HOME STEP
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freehold.ledger.content.house_key import FILE, KeyRing
from freehold.ledger.content.rekeying import rekey

CHANGES = ("open", "link", "pwrite", "fsync", "fdatasync", "unlink", "replace")
"""Of these functions of the system; `open` where it makes a file."""


def main(home: Path, step: int) -> None:
    left = step

    def cut_off(name: str) -> Callable[..., Any]:
        call = getattr(os, name)

        def counted(*args: Any, **more: Any) -> Any:
            nonlocal left
            left -= name != "open" or bool(args[1] & os.O_CREAT)
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)

        return counted

    for name in CHANGES:
        setattr(os, name, cut_off(name))
    rekey(home / "ledger" / "content", KeyRing(home / FILE), lambda _: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
