"""Looks at untrusted model files and says what is wrong with them: `verify`, and `look_over` for those who need the
facts too.

Formats are told by bytes, never by names. Nothing is loaded, imported, unpickled or rendered, and no network is used.
What no look at bytes can show stands in every report (`report.CANNOT_SHOW`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from freehold.weights.archives import NUMPY_HEAD_BYTES, check_numpy, check_tar, check_zip
from freehold.weights.checks import Findings, checks
from freehold.weights.formats import Recognized, recognize
from freehold.weights.gguf import GgufLook, check_gguf, check_splits
from freehold.weights.openvino import check_openvino, is_constants, is_openvino
from freehold.weights.report import Finding, LookedAt, Report
from freehold.weights.safetensors import check_safetensors
from freehold.weights.shards import INDEX_SUFFIX, check_index
from freehold.weights.sidecars import check_sidecar
from freehold.weights.templates import check_templates, known_templates
from freehold.weights.walk import Found, files_of

Hash = Callable[[Path], str]
_WEIGHTS = frozenset(
    {".gguf", ".safetensors", ".bin", ".pt", ".pth", ".ptl", ".ckpt", ".pkl", ".pickle", ".dill", ".joblib", ".npy"}
    | {".npz", ".h5", ".hdf5", ".keras", ".onnx", ".pb", ".tflite", ".msgpack", ".pdparams", ".mlmodel", ".ggml", ".ot"}
    | {".mar", ".nemo", ".engine", ".plan", ".pte", ".tar", ".tgz", ".zip", ".7z", ".rar"}
)
_LARGE_BYTES = 16 << 20
_ALWAYS = ("file", "folder", "format", "pickle", "archive")


@dataclass(frozen=True, slots=True)
class Looked:
    """A report, and what was read of the GGUF files on the way, by the path that was looked at."""

    report: Report
    gguf: Mapping[Path, GgufLook] = field(default_factory=dict)


def verify(paths: Sequence[Path], *, hash: Hash | None = None) -> Report:
    """Look at the files and folders `paths`. `hash` gives the sha256 of a file that the report should carry. Raises
    CallError for a path that is not there, and for nothing that a file holds."""
    return look_over(paths, hash=hash).report


def look_over(paths: Sequence[Path], *, hash: Hash | None = None) -> Looked:
    """As `verify`, with what the GGUF files say of themselves."""
    walked = files_of(paths)
    look = _Look(hash)
    for found in walked.files:
        look.at(found)
    look.together()
    names = sorted(look.groups, key=lambda group: (group not in _ALWAYS, group))
    report = Report(
        files=tuple(replace(file, name=printable(file.name)) for file in look.files),
        checks=tuple(name for group in names for name in checks() if name.startswith(f"{group}.")),
        findings=tuple(map(_printable, (*walked.findings, *look.findings))),
        undecided=tuple(map(_printable, (*walked.undecided, *look.undecided))),
    )
    return Looked(report, look.gguf)


def printable(text: str) -> str:
    """`text` as UTF-8 can hold it: a file's name may be any bytes, and JSON may spell half of a character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _printable(finding: Finding) -> Finding:
    return replace(finding, file=printable(finding.file), message=printable(finding.message))


class _Look:
    """One verification: what was looked at and found so far."""

    def __init__(self, hash: Hash | None) -> None:
        self._hash = hash
        self.files: list[LookedAt] = []
        self.findings: list[Finding] = []
        self.undecided: list[Finding] = []
        self.gguf: dict[Path, GgufLook] = {}
        self.groups: set[str] = set(_ALWAYS)
        self._shards: dict[Path, dict[str, frozenset[str]]] = defaultdict(dict)
        self._indexes: list[Path] = []

    def at(self, found: Found) -> None:
        """Look at one file."""
        findings = Findings(str(found.path))
        size_bytes, recognized, sha256 = None, None, None
        try:
            with found.path.open("rb") as file:
                size_bytes = file.seek(0, 2)
                recognized = recognize(file, size_bytes)
            sha256 = self._hash_and_judge(found, size_bytes, recognized, findings)
        except OSError as error:
            findings.add("file.unreadable", f"It cannot be read: {error.strerror or error}.")
        kind = recognized.format if recognized is not None else None
        self.files.append(LookedAt(str(found.path), size_bytes, kind, sha256))
        self._take(findings)

    def _hash_and_judge(self, found: Found, size_bytes: int, recognized: Recognized, findings: Findings) -> str | None:
        """Judge the file, and take its hash if that is wanted: of a large file both at once."""
        if self._hash is None or size_bytes < _LARGE_BYTES:
            self._judge(found, recognized, findings)
            return self._hash(found.path) if self._hash is not None else None
        with ThreadPoolExecutor(1) as beside:
            judged = beside.submit(self._judge, found, recognized, findings)
            sha256 = self._hash(found.path)
            judged.result()
        return sha256

    def together(self) -> None:
        """What files are only together: pieces of one build, shards of one index."""
        splits = check_splits(list(self.gguf.values()))
        self.findings += splits.findings
        self.undecided += splits.undecided
        for index in self._indexes:
            findings = Findings(str(index))
            try:
                check_index(index, self._shards[index.parent], findings)
            except OSError as error:
                findings.add("file.unreadable", f"It cannot be read: {error.strerror or error}.")
            self._take(findings)

    def _take(self, findings: Findings) -> None:
        self.findings += findings.found
        self.undecided += findings.undecided

    def _judge(self, found: Found, recognized: Recognized, findings: Findings) -> None:
        path, kind, suffix = found.path, recognized.format, found.path.suffix.lower()
        if kind == "gguf" or (suffix == ".gguf" and kind in {None, "empty"}):
            self._gguf(path, findings)
        elif kind == "safetensors" or (suffix == ".safetensors" and kind in {None, "empty"}):
            self._safetensors(path)
        elif kind in _JUDGES:
            _JUDGES[kind](path, findings)
        elif path.name.endswith(INDEX_SUFFIX):
            self.groups.add("shards")
            self._indexes.append(path)
        elif suffix == ".xml" and is_openvino(path):
            self.groups |= {"openvino", "template"}
            check_openvino(path, findings, known_templates())
        elif is_constants(path) or self._sidecar(path, findings):
            pass
        elif kind == "pointer" and (found.named or suffix in _WEIGHTS):
            findings.add("format.pointer", "It is the pointer that Git LFS keeps in place of a file.")
        elif _is_for_weights(suffix) or (found.named and suffix not in {".gguf", ".safetensors"}):
            findings.add("format.unknown", f"It is {kind or 'of a format that is not known here'}.")
        is_other = suffix in {".gguf", ".safetensors"} and kind not in {suffix[1:], None, "empty", "pointer"}
        if is_other and not findings.refused:
            findings.add("format.mismatch", f"Its name says {suffix[1:]} and its bytes say {kind}.")
        if recognized.zip_at_end and kind not in {"zip", "gguf"}:
            findings.add("format.polyglot", "Read from its end, it is a zip archive.")

    def _gguf(self, path: Path, findings: Findings) -> None:
        look = check_gguf(path)
        self.groups.add("gguf")
        self.gguf[path] = look
        self.findings += look.findings
        self.undecided += look.undecided
        if look.templates:
            self.groups.add("template")
            check_templates(look.templates.items(), findings, known_templates())

    def _safetensors(self, path: Path) -> None:
        look = check_safetensors(path)
        self.groups.add("safetensors")
        self._shards[path.parent][path.name] = look.tensors
        self.findings += look.findings
        self.undecided += look.undecided

    def _sidecar(self, path: Path, findings: Findings) -> bool:
        if not check_sidecar(path, findings, known_templates()):
            return False
        self.groups |= {"sidecar", "manifest", "template"}
        return True


def _is_for_weights(suffix: str) -> bool:
    return suffix in _WEIGHTS - {".gguf", ".safetensors"}


def _pickle(path: Path, findings: Findings) -> None:
    findings.add("pickle.stream", f"It is a Python pickle named {path.suffix or 'without an ending'}.")


def _hdf5(path: Path, findings: Findings) -> None:
    del path
    findings.add("format.hdf5", "It is an HDF5 file.")


def _program(path: Path, findings: Findings) -> None:
    # What git puts into every folder it makes, and never runs under this name.
    if path.parts[-3:-1] != (".git", "hooks") or path.suffix != ".sample":
        findings.add("format.program", "It is a program.")


def _numpy(path: Path, findings: Findings) -> None:
    with path.open("rb") as file:
        of_numbers = check_numpy(file.read(NUMPY_HEAD_BYTES), findings)
    if not findings.found:
        what = "of numbers: no engine here reads it" if of_numbers else "whose description cannot be read"
        findings.add("format.unknown", f"It is a NumPy file {what}.")


def _compressed(path: Path, findings: Findings) -> None:
    del path
    findings.add("archive.unopened", "It is compressed.")


_JUDGES: Mapping[str | None, Callable[[Path, Findings], None]] = {
    "pickle": _pickle,
    "zip": check_zip,
    "tar": check_tar,
    "compressed": _compressed,
    "numpy": _numpy,
    "hdf5": _hdf5,
    "program": _program,
}
