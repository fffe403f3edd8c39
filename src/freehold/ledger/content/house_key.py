"""The key that opens kept content: `keys/content.key` of the home, for its owner alone (0600).

A line for each key: its name and its 32 bytes, in hexadecimal. The first seals what is new. There are two only while
one is being exchanged for another, which `rekeying` does. It is not the key that signs: whoever may have one of them
need not have the other."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from freehold.core.disk import replace_whole, sync_folder
from freehold.core.errors import HouseKeyError
from freehold.ledger.content.container import KEY_BYTES
from freehold.ledger.content.overwriting import finish, former_of, replaced, wipe
from freehold.ledger.content.places import places

FILE = Path("keys") / "content.key"
"""Below the home."""
_LINE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{64})")
_LARGEST_BYTES = 16_384
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class HouseKey:
    """One key. `name` is the start of a hash of it, and tells nothing of it."""

    value: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return hashlib.sha256(b"freehold content key\n" + self.value).hexdigest()[:16]


class KeyRing:
    """The keys in the file at `path`. Making one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[HouseKey, ...]:
        """Every key, the one that seals first; none where there is no file. Raises HouseKeyError."""
        try:
            text = _private(self.path)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise HouseKeyError(f"{self.path} cannot be read: {error.strerror}.") from error
        found = [_LINE.fullmatch(line) for line in text.splitlines()]
        keys = tuple(HouseKey(bytes.fromhex(match[2])) for match in found if match is not None)
        names = [match[1] for match in found if match is not None]
        if not keys or len(keys) < len(found) or [key.name for key in keys] != names:
            raise HouseKeyError(f"{self.path} is damaged: it holds no key that opens kept content.", hint=_RESTORE)
        return keys

    def sealing(self, folder: Path) -> HouseKey:
        """The key that seals what is new in `folder`; made where nothing lies there yet. Raises HouseKeyError: a key
        that is missing is to come back, and another in its place would be in its way. Raises LedgerError."""
        keys = self.read()
        if keys:
            return keys[0]
        if places(folder):
            raise HouseKeyError(
                f"{self.path} is missing, and what is kept in {folder} is sealed with it.",
                hint="Put your copy of it back, or seal what comes with another from now on: `freehold ledger new-key`",
            )
        fresh = HouseKey(os.urandom(KEY_BYTES))
        self.write([fresh])
        return fresh

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else exchanges the keys meanwhile. Raises HouseKeyError where somebody does."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise HouseKeyError(
                f"{self.path} is being exchanged by another process.", hint="Wait for it to end."
            ) from error
        finally:
            os.close(descriptor)

    def write(self, keys: Sequence[HouseKey]) -> None:
        """Let these be the keys. Raises HouseKeyError."""
        text = "".join(f"{key.name} {key.value.hex()}\n" for key in keys)
        if len(text) > _LARGEST_BYTES:
            raise HouseKeyError(
                f"{self.path} holds too many keys for another one.", hint="Take out what opens nothing."
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._overwrite_left()
            with replaced(self.path):
                replace_whole(self.path, text.encode(), mode=0o600)
            sync_folder(self.path.parent.parent)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def tidy(self) -> None:
        """Overwrite the former keys that a kill left, where one did. Raises HouseKeyError."""
        try:
            if former_of(self.path).exists() or self._unfinished():
                with self.alone():
                    self._overwrite_left()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _overwrite_left(self) -> None:
        for path in self._unfinished():
            wipe(path)
            path.unlink()
        finish(self.path)

    def _unfinished(self) -> list[Path]:
        """Keys that were being written."""
        return list(self.path.parent.glob(f"{self.path.name}.*.new"))


def _unwritable(path: Path, error: OSError) -> HouseKeyError:
    return HouseKeyError(
        f"{path} cannot be written: {error.strerror}.",
        hint="It holds the key that kept content is sealed with. Let the house write that folder.",
    )


def _private(path: Path) -> str:
    """What the file says; read again where it was replaced meanwhile, since the former one is overwritten then."""
    while True:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_mode & _OTHERS:
                raise HouseKeyError(
                    f"{path} can be read by other accounts (mode {found.st_mode & 0o777:04o}); nothing is sealed with "
                    "it.",
                    hint=f"`chmod 600 {path}`. If others may have read it: `freehold ledger new-key`.",
                )
            text = file.read(_LARGEST_BYTES).decode("ascii", "replace")
            if os.path.samestat(found, path.stat()):
                return text


_RESTORE = "Put your copy of it back. Without it what was kept cannot be opened, by nobody."
