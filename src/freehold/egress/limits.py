"""What a report of egress does not show, in the words that stand in it."""

from __future__ import annotations

from typing import Final

LIMITS: Final = (
    "It shows what the processes of this house were held to by this machine's kernel. Whoever is root, can load a "
    "module or boots another kernel is not held by it, nor is code that exploits a fault in the kernel through the "
    "system calls that are left.",
    "It is written by the house and signed with the house's key. The account that runs the house has both: it can "
    "write another record and sign it. A report kept where that account cannot reach is held against the record later "
    "by `freehold egress verify`, which shows a record that was changed since, up to the one the report names.",
    "A house that was itself taken over can leave out what it should record of its workers, and of its own attempts "
    "between the witness's word and the disk. It could not have connected: the kernel keeps refusing, recorded or not.",
    "Refused files are enforced, not observed: Landlock refuses them without a word, so no attempt on a file is in "
    "this report. So are calls newer than the filter knows (ENOSYS), and, of the workers of a restricted house, those "
    "that the house itself may make (programs, other processes, signals, modes of files).",
    "What the house reads is not restricted, only what it changes. It runs programs, which is how workers start; they "
    "are under its lock.",
    "Who is admitted can carry things out: answers to clients, on connections that others opened to the house, and "
    "files in its own folders, are not egress here. A process of the same account outside the house can read those "
    "files, may connect to the house's own sockets, and is not held by anything here.",
    "Hidden channels are not covered: the timing and load of the processor, disk space, and whether a file is locked "
    "can be seen by other programs on the machine.",
    "Of what goes through the broker, the address and the time are known, neither the content nor how much. A host "
    "that is listed can pass on what it gets. Looking up a listed name tells the name's servers that it was asked "
    "for; where names are listed, the kernel lets the broker send datagrams anywhere, and that it asks nothing else "
    "is its program's doing. Which host, of those at a listed port, is its program's doing too.",
    "What the house imports runs in its process before the lock, and could do what it liked until then. A socket "
    "opened then keeps the house from starting; another program started then is not held by anything here.",
    "The house's event loop, and those of some workers, try io_uring once at their start and each time a program is "
    "started, are refused and go on without: 256 entries, by which it is known and listed apart. Malicious code "
    "can ask for 256 too; it is refused as well.",
    "The address in an attempt was read from the memory of who made it, which may have changed it meanwhile.",
    "Commands beside the house (pull, run, chat, bench, freehold.open) run in processes of their own and are not in "
    "it.",
    "Times are those of the machine's clock, which people set; where it was set while the house ran is told above.",
)
