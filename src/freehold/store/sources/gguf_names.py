"""What the names of GGUF files say: the quantisation, the piece of a split, the part of a cut file.

Pure. Names follow llama.cpp's conventions (`model-Q4_K_M-00001-of-00003.gguf`, its gguf-split example) as
publishers use them. Names are hints for choosing a file; what a file is, its header says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# Tried in this order when several builds are there and none was asked for: good quality for its size first.
PREFERRED = (
    "q4_k_m", "q4_k_s", "q4_1", "q4_0", "iq4_xs", "iq4_nl", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q6_k", "q8_0",
    "q3_k_l", "q3_k_m", "q3_k_s", "mxfp4", "f16", "bf16", "f32",
)  # fmt: skip
_QUANTIZATION = re.compile(
    r"(?<![a-z0-9_])(?:ud-)?(?:i?q\d+(?:_[a-z0-9]+)*|tq\d_\d|mxfp4(?:_moe)?|bf16|f16|f32|fp16|fp32)(?![a-z0-9_])",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})$")
_CUT = re.compile(r"^(?P<whole>.+\.gguf)\.(?:part)?(?P<number>\d{1,5})$", re.IGNORECASE)
_ASIDE = re.compile(r"(?:^|[-_.])(?:mmproj|imatrix)(?:[-_.]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Build:
    """The files of one build, in the order an engine reads them. `missing` are the pieces that are not there."""

    label: str
    stem: str
    files: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CutPart:
    """One part of a file that was cut to fit somewhere: which file, and the part's number."""

    whole: str
    number: int


def cut_part(path: str) -> CutPart | None:
    """What `model.gguf.part03` or `model.gguf.003` is a part of; None for any other name."""
    match = _CUT.match(PurePosixPath(path).name)
    return CutPart(match["whole"], int(match["number"])) if match else None


def quantization(path: str) -> str | None:
    """The last quantisation that the name of the file, else its folder, speaks of, as written; None if none."""
    pure = PurePosixPath(path)
    for text in (_without_split(pure), pure.parent.name):
        found = _QUANTIZATION.findall(text)
        if found:
            return str(found[-1])
    return None


def suggested_name(path: str) -> str:
    """`model:tag` out of a file's name: `SmolLM2-135M.Q4_1.gguf` gives `smollm2-135m:q4_1`."""
    stem, tag = _without_split(PurePosixPath(path)), quantization(path)
    if tag is None:
        return f"{_slug(stem)}:default"
    at = stem.lower().rfind(tag.lower())
    return f"{_slug(stem[:at] if at > 0 else stem)}:{_slug(tag)}"


def builds(paths: Iterable[str]) -> tuple[Build, ...]:
    """The builds among `paths`, sorted by name; projectors and importance matrices are no builds."""
    groups: dict[str, list[str]] = {}
    for path in sorted(paths):
        pure = PurePosixPath(path)
        if pure.suffix.lower() == ".gguf" and not _ASIDE.search(pure.stem):
            groups.setdefault(str(pure.with_name(_without_split(pure))), []).append(path)
    return tuple(_build(stem, files) for stem, files in groups.items())


def matching(found: Sequence[Build], tag: str) -> tuple[Build, ...]:
    """The builds that `tag` names as a whole: by quantisation, by quantisation without `UD-`, or by file name."""
    wanted = tag.lower()
    exact = tuple(build for build in found if wanted in {build.label.lower(), PurePosixPath(build.stem).name.lower()})
    return exact or tuple(build for build in found if build.label.lower().removeprefix("ud-") == wanted)


def preferred(found: Sequence[Build]) -> Build | None:
    """The build to take when none was named: the first of PREFERRED, the only one, else None."""
    if len(found) == 1:
        return found[0]
    by_label: Mapping[str, list[Build]] = {
        label: [build for build in found if build.label.lower() == label] for label in PREFERRED
    }
    return next((here[0] for here in by_label.values() if len(here) == 1), None)


def _build(stem: str, files: list[str]) -> Build:
    split = _SPLIT.search(PurePosixPath(files[0]).stem)
    label = quantization(files[0]) or PurePosixPath(stem).name
    if split is None:
        return Build(label, stem, tuple(files))
    count = int(split[2])
    pieces = [f"{stem}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    return Build(label, stem, tuple(pieces), tuple(piece for piece in pieces if piece not in files))


def _without_split(pure: PurePosixPath) -> str:
    return _SPLIT.sub("", pure.stem)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "model"
