"""The two ends of a seccomp listener: what a locked process asks the kernel for is told to whoever holds it, and waits.

The locked process makes the listener with its filter, sends it away through a Unix socket and closes its own copy
before anything that is not ours runs: whoever kept one could answer for itself. Where the holder has gone, the kernel
refuses by itself (ENOSYS). Sources: `seccomp_unotify(2)`, `include/uapi/linux/seccomp.h`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from dataclasses import dataclass

_REQUEST = struct.Struct("=QII iIQ6Q")  # id, pid, flags; number, architecture, instruction, arguments
_ANSWER = struct.Struct("=QqiI")  # id, value, error, flags
_RECEIVE, _SEND = 0xC0502100, 0xC0182101


@dataclass(frozen=True, slots=True)
class Call:
    """One call that waits for its answer: `id` is the kernel's name of it, `thread` the id of the thread that made it,
    `arguments` as they were in its registers; what they point at is its own memory and can change at any time."""

    id: int
    thread: int
    number: int
    arguments: tuple[int, ...]


def send_away(listener: int, through: socket.socket) -> None:
    """Give the listener to the other end of `through`, and keep no copy."""
    try:
        socket.send_fds(through, [b"l"], [listener])
    finally:
        os.close(listener)


def receive(through: socket.socket) -> int | None:
    """The listener that was sent, or None where the other end closed without one."""
    _, descriptors, _, _ = socket.recv_fds(through, 1, 1)
    return descriptors[0] if descriptors else None


def next_call(listener: int) -> Call | None:
    """The call that waits; None where it was given up meanwhile. Raises EOFError once no process has the filter."""
    buffer = bytearray(_REQUEST.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        if any(events & select.POLLHUP for _, events in poll.poll(0)):
            raise EOFError from error
        return None
    number_of_it, thread, _, number, _, _, *arguments = _REQUEST.unpack(buffer)
    return Call(number_of_it, thread, number, tuple(arguments))


def refuse(listener: int, called: int, error: int) -> None:
    """Let the call of that id end with `error`. A caller that has gone meanwhile is nobody's loss."""
    try:
        fcntl.ioctl(listener, _SEND, bytearray(_ANSWER.pack(called, 0, -error, 0)))
    except OSError as failure:
        if failure.errno != errno.ENOENT:
            raise
