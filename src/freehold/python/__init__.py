"""The Python API. `aio` is written, `sync` is made from it by tools/sync_twin.py, `loop` runs it."""
