"""The key that opens kept content: `keys/content.key` of the home, for its owner alone (0600).

A line for each key: its name and its 32 bytes, in hexadecimal. The first seals what is new. There are two only while
one is being exchanged for another, which `rekeying` does. It is not the key that signs: whoever may have one of them
need not have the other. Beside it stands which folders it seals (`sealed_folders`).

A key that is there and opens nothing of what was kept last was put there by mistake: nothing is sealed with it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
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
from freehold.ledger.content.places import key_names, places
from freehold.ledger.content.sealed_folders import FILE_NAME, SealedFolders

FILE = Path("keys") / "content.key"
"""Below the home."""
_LINE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{64})")
_LARGEST_BYTES = 16_384
_OTHERS = 0o077
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_log = logging.getLogger("freehold.ledger")


@dataclass(frozen=True, slots=True)
class HouseKey:
    """One key. `name` is the start of a hash of it, and tells nothing of it."""

    value: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return hashlib.sha256(b"freehold content key\n" + self.value).hexdigest()[:16]


class KeyRing:
    """The keys in the file at `path`, and the `folders` that they seal. Making one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folders = SealedFolders(path.with_name(FILE_NAME))

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
        """The key that seals what is new in `folder`, which is among `folders` then; made where nothing lies there yet.
        Raises HouseKeyError where it is missing or another one: it is to come back, and another in its place would be
        in its way. Raises LedgerError, NewerFormatError."""
        keys = self.read() or (self._made(folder),)
        if (wrong := self.wrong(folder)) is not None:
            raise wrong
        try:
            self.folders.add(keys[0].name, folder)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise _unwritable(self.folders.path, error) from error
            _log.warning("%s is not named in %s: %s.", folder, self.folders.path, error.strerror)  # nor is it exchanged
        return keys[0]

    def wrong(self, folder: Path) -> HouseKeyError | None:
        """What is to be said where none of the keys is the one that what lies in `folder` was sealed with last; None
        where one is, where no segment is whole enough to tell, or what lies there was given up. Raises HouseKeyError,
        LedgerError, NewerFormatError."""
        keys: tuple[HouseKey, ...] | None = None
        while keys != (now := self.read()):  # they may have been exchanged between the two looks
            keys, names = now, [key.name for key in now]
            sealed_with = next(key_names(folder), None)
            if sealed_with is None or not names or sealed_with in names or names[0] == self.folders.seals_with(folder):
                return None
        return HouseKeyError(
            f"{self.path} holds {' and '.join(names)}, and what is kept in {folder} is sealed with {sealed_with}.",
            hint="Put your copy of that key back, or add its line below. To give up what is kept: move the file away, "
            "and seal what comes with another: `freehold ledger new-key`",
        )

    def _made(self, folder: Path) -> HouseKey:
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
