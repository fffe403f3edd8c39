"""What is asked about: the builds that a reference means, and those of a file, which need no store and no catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freehold.core.errors import CallError, NotFoundError
from freehold.fit.options import Option, option
from freehold.store.naming import absolute, split_names

if TYPE_CHECKING:
    from freehold.catalog.model import CatalogModel
    from freehold.core.refs import FileRef
    from freehold.fit.blueprint import Blueprint
    from freehold.weights.gguf import Outline


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked about. `model` None: the catalog does not know whose it is. `one`: one build is meant. `asked` is
    the name that was given, where it lacks the variant's suffix and `model` was taken for it."""

    name: str
    model: CatalogModel | None
    options: tuple[Option, ...]
    one: bool
    asked: str | None = None


def target_of_file(ref: FileRef) -> Target:
    """The build that lies in a file, or in all that its name says it is one of. Raises NotFoundError, CallError for a
    folder, WeightsError."""
    path = absolute(ref)
    if path.is_dir():
        raise CallError(f"{path} is a folder, and what is planned for is one file.", hint="Name a GGUF file in it.")
    if not path.exists():
        raise NotFoundError("file", str(path), hint="Look at the path; a model's name needs no ./ before it.")
    pieces = [path.with_name(name) for name in split_names(path.name)]
    missing = [piece.name for piece in pieces if not piece.exists()]
    if missing:
        hint = f"By its name {path.name} is one of {len(pieces)} files, and all of them have to lie in one folder."
        raise NotFoundError("file", str(path.with_name(missing[0])), hint=hint)
    return target_of_files(str(ref), pieces)


def target_of_files(name: str, paths: Sequence[Path]) -> Target:
    """One build that lies in `paths`, or whose headers do. Raises WeightsError."""
    blueprint, outline = read_build(paths, name)
    given = option(blueprint.quantization or "its file", "given", blueprint, outline)
    return Target(name, None, (given,), one=True)


def read_build(paths: Sequence[Path], name: str) -> tuple[Blueprint, Outline]:
    """What the header of a build says. Raises WeightsError."""
    # The reader of headers is a tenth of the time of a plan from the catalog alone, which opens none.
    from freehold.fit.read_gguf import blueprint_of_outline
    from freehold.weights.gguf import read_outline

    outline = read_outline(paths)
    return blueprint_of_outline(outline, name=name), outline
