"""`python -m tests.hostile FOLDER`: every hostile file there is, each in a folder named by the check it is for."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hostile import gguf_files, other_files, safetensors_files, template_files


def write_all(folder: Path) -> list[Path]:
    """Write every hostile file; the folders, one a check."""
    every = gguf_files.HOSTILE | safetensors_files.HOSTILE | other_files.HOSTILE | template_files.HOSTILE
    made = []
    for check, hostile in every.items():
        own = folder / check
        own.mkdir(parents=True, exist_ok=True)
        hostile.write(own)
        made.append(own)
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(len(write_all(Path(sys.argv[1]))), "folders of hostile files in", sys.argv[1])
