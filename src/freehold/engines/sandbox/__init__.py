"""The lock on a worker process: seccomp, Landlock, and what goes with them. Standard library only."""
