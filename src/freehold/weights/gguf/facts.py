"""Facts about GGUF weight files, after their headers were checked: `read_facts` for one file, `read_split` for several.

A file that is not a GGUF is named for what it is. Facts the file does not state are None. What is checked, and what is
not, stands in `header`.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from freehold.core.builds import WeightFacts
from freehold.core.errors import WeightsError
from freehold.weights.gguf.cursor import Cursor
from freehold.weights.gguf.tensor_types import FILE_TYPES
from freehold.weights.gguf.header import MAGIC, Array, Header, Tensor, read_header
from freehold.weights.identify import LOOKED_AT_BYTES, describe

# Upper bits of general.file_type carry flags ("guessed"), not the type.
_FILE_TYPE_MASK = 0x3FF
_LARGEST_FACT = 2**40


def read_facts(path: Path) -> WeightFacts:
    """What the weight file at `path` says of itself. Raises WeightsError with what is wrong, naming the file."""
    return read_split((path,))


def read_split(paths: Sequence[Path]) -> WeightFacts:
    """The facts of a build whose tensors are spread over `paths`, in order; the first file carries the keys."""
    headers = [_header(path) for path in paths]
    _check_split(paths, headers)
    tensors = [tensor for header in headers for tensor in header.tensors]
    if not tensors:
        raise _error(paths[0], "holds no weights")
    return _Reading(paths[0], headers[0]).facts(tensors)


def _header(path: Path) -> Header:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _error(path, "is not a regular file")
            cursor = Cursor(file, found.st_size, path.name)
            if file.read(len(MAGIC)) == MAGIC:
                cursor.position = len(MAGIC)
                return read_header(cursor)
            file.seek(0)
            raise _error(path, f"is not a GGUF weight file. It is {describe(file.read(LOOKED_AT_BYTES))}")
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from error


def _check_split(paths: Sequence[Path], headers: Sequence[Header]) -> None:
    for number, (path, header) in enumerate(zip(paths, headers, strict=True)):
        count = header.values.get("split.count", 1)
        place = header.values.get("split.no", 0)
        if (count or 1) != len(paths):
            raise _error(
                path, f"is one of {count} files and {len(paths)} are here", hint="Pull all files of the build."
            )
        if count and place != number:
            raise _error(path, f"says it is file {place} of its build, counted from 0, and stands as {number}")


def _error(path: Path, what: str, *, hint: str = "") -> WeightsError:
    return WeightsError(f"{path.name} {what}.", hint=hint, file=path.name)


class _Reading:
    """The keys of one header, read with the types they must have."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._values = header.values
        self._architecture = self._text("general.architecture") or ""
        if not self._architecture:
            raise _error(path, "does not say its architecture (general.architecture)")

    def facts(self, tensors: Sequence[Tensor]) -> WeightFacts:
        own = self._architecture
        return WeightFacts(
            format="gguf",
            architecture=own,
            quantization=self._quantization(tensors),
            parameters=sum(tensor.weights for tensor in tensors),
            context_length=self._count(f"{own}.context_length"),
            embedding_length=self._count(f"{own}.embedding_length"),
            block_count=self._count(f"{own}.block_count"),
            head_count=self._count(f"{own}.attention.head_count"),
            head_count_kv=self._count(f"{own}.attention.head_count_kv"),
            vocabulary_size=self._vocabulary_size(),
            chat_template=self._text("tokenizer.chat_template"),
            key_length=self._count(f"{own}.attention.key_length"),
            value_length=self._count(f"{own}.attention.value_length"),
        )

    def _text(self, key: str) -> str | None:
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise _error(self._path, f"has a {key} that is not a string")

    def _count(self, key: str) -> int | None:
        """A whole number; of a list with one number per layer, the largest."""
        value = self._values.get(key)
        items = value.numbers if isinstance(value, Array) else (value,)
        if value is None:
            return None
        numbers = [item for item in items or () if isinstance(item, int) and not isinstance(item, bool)]
        if not numbers or len(numbers) != len(items or ()) or not all(0 <= item <= _LARGEST_FACT for item in numbers):
            raise _error(self._path, f"has a {key} that is not a plausible number")
        return max(numbers)

    def _vocabulary_size(self) -> int | None:
        tokens = self._values.get("tokenizer.ggml.tokens")
        return self._count(f"{self._architecture}.vocab_size") or (tokens.length if isinstance(tokens, Array) else None)

    def _quantization(self, tensors: Sequence[Tensor]) -> str:
        """The name of general.file_type; where that is absent or unknown, the type that takes the most bytes."""
        stated = self._count("general.file_type")
        named = FILE_TYPES.get(stated & _FILE_TYPE_MASK) if stated is not None else None
        if named is not None:
            return named
        sizes: Counter[str] = Counter()
        for tensor in tensors:
            sizes[tensor.type.name] += tensor.size_bytes
        return sizes.most_common(1)[0][0]
