"""What the processes of a house that may not connect are refused, beside a worker's rules: data only.

the house     makes no socket but Unix streams, connects to nothing, sees into no other process, and none of the wide
              doors into the kernel; nor has it done by others what it may not: by the kernel, which has names looked
              up for whoever asks for a key (request_key(2)), and by the shell it was started from (TIOCSTI). Whatever
              it starts is under the same filter, whose listener the witness holds. It starts programs, and it receives
              descriptors: connected sockets, from the broker.
the broker    connects. To which families depends on what the policy lists.
the witness   holds the listeners. It reads the memory of who is refused, for the address of a `connect`.
"""

from __future__ import annotations

from typing import Final

from freehold.engines.sandbox.seccomp import WORKER, Rules

_UNIX, _IPV4, _IPV6 = 1, 2, 10

HOUSE: Final = Rules(
    names=frozenset(
        {
            *("socket", "socketpair", "connect", "sendto", "sendmsg", "sendmmsg"),
            *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
            *("io_uring_setup", "io_uring_enter", "io_uring_register"),
            *("bpf", "perf_event_open", "userfaultfd", "fanotify_init", "modify_ldt", "uselib"),
            *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "mount_setattr", "move_mount"),
            *("fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "open_tree_attr", "open_by_handle_at"),
            *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "iopl", "ioperm"),
            *("keyctl", "add_key", "request_key", "ioctl"),
        }
    ),
    answers=True,
)
WITNESS: Final = WORKER.without(("recvmsg", "process_vm_readv"))


def broker(*, internet: bool, names: bool) -> Rules:
    """`internet` where the policy lists an address, `names` where one has to be looked up, which takes datagrams."""
    families = (_UNIX, _IPV4, _IPV6) if internet else (_UNIX,)
    return Rules(
        names=WORKER.without(("connect", "recvmsg", "recvmmsg")).names, sockets=families, datagrams=internet and names
    )
