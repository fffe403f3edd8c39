"""The sections of a page that come from licenses: what each says, what it asks, what the bases of the model ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from freehold.cli.layout import LABEL, WIDTH, Line, place, short, wrapped
from freehold.cli.output import Section

READ_IT = "A reading is not legal advice; whether your use is allowed depends on who you are and what you do."
NOT_COVERED = (
    "Not covered by these records, so read the text for them: warranty, liability, trademarks, and the indemnity that "
    "whoever offers a warranty of their own may owe."
)


def license_section(paper: Mapping[str, Any]) -> Section:
    license_, model = paper["license"], paper["model"]
    lines: list[Line] = [
        ("license", wrapped(f"{license_['name']} ({license_['id']})")),
        ("kind", license_["kind"]),
        ("in short", wrapped(license_["summary"])),
    ]
    lines += [("note", wrapped(model["license_note"]))] if model["license_note"] else []
    if license_["known"]:
        approved = {True: "yes", False: "no", None: None}[license_["osi_approved"]]
        lines += [("version of", license_["version_date"]), ("approved by the OSI", approved)]
        lines += [("text", _text(license_["text"]))]
        lines += [("use policy", _text(license_["use_policy"]))] if license_["use_policy"] else []
        lines += [("as of that day", wrapped(license_["live"]))] if license_["live"] else []
    for each in license_.get("beside", ()):
        lines += [("and beside it", wrapped(f"{each['name']} ({each['id']})", each["summary"]))]
        lines += [("its text", _text(each["text"]))] if each["text"] else []
    said = license_["reading"]
    return Section("LICENSE", lines, wrapped(f"{said[0].upper()}{said[1:]}. {READ_IT}", width=WIDTH))


def _text(text: Mapping[str, Any]) -> str:
    seen = f"read on {text['retrieved'] or 'a day unknown'}" if text["seen"] else "not read"
    return wrapped(text["source"], f"{seen}, {short(text['sha256'])}")


def duties_section(paper: Mapping[str, Any]) -> Section:
    name, own = paper["model"]["name"], paper["license"]
    asked = [(name, own["known"], own["duties"])]
    asked += [
        (each["name"], each["known"], each["duties"]) for each in paper["lineage"]["ancestors"] if each["binding"]
    ]
    lines = [line for each in asked for line in _asked(*each, first=each[0] == name)]
    return Section("WHAT IT ASKS OF YOU", lines)


def _asked(model: str, known: bool, duties: Sequence[Mapping[str, Any]], *, first: bool) -> Iterator[Line]:
    """The duties of one license; those of a base model under its name."""
    if not first:
        yield "and by its base", model
    if not known:
        yield "", wrapped("unknown: nobody read these terms. Read them before you use it.")
    elif not duties:
        yield "", "nothing that we found"
    for duty in duties:
        section = place(duty["section"]) if duty["section"] else duty["clause"]
        beside = f"(of {duty['of']})" if duty.get("of") else None
        if len(section) <= LABEL:
            yield section, wrapped(duty["what"], beside)
        else:
            yield "", wrapped(duty["what"], beside, f"({section})")


def clauses_sections(paper: Mapping[str, Any]) -> list[Section]:
    """The clauses of the license, of each text that binds beside it, and of each license that binds through a base."""
    own = paper["license"]
    further = [(each["id"], f"BESIDE IT: {each['name'].upper()}", each) for each in own.get("beside", ())]
    further += [
        (each["license"], f"BY ITS BASE {each['name'].upper()}: {each['license_name'].upper()}", each)
        for each in paper["lineage"]["ancestors"]
        if each["binding"]
    ]
    read = [(license_id, title, text) for license_id, title, text in further if text["clauses"]]
    first = _clauses(own, "THE LICENSE, CLAUSE BY CLAUSE", {license_id: text for license_id, _, text in read})
    found = [first, *(_clauses(text, title, {}) for _, title, text in read)]
    with_lines = [section for section in found if section.lines]
    return [*with_lines[:-1], *(each._replace(note=wrapped(NOT_COVERED, width=WIDTH)) for each in with_lines[-1:])]


def _clauses(license_: Mapping[str, Any], title: str, further: Mapping[str, Mapping[str, Any]]) -> Section:
    """`further`: the texts that bind as well, which may have a rule where this one has none."""
    clauses = license_["clauses"]
    there = [(name, clause) for name, clause in clauses.items() if _is_there(clause)]
    none = [name for name, clause in clauses.items() if clause and not _is_there(clause)]
    lines = [(name.replace("_", " "), _words(clause)) for name, clause in there]
    lines += [("no rule found on", wrapped(", ".join(_called(name) for name in none)))] if none else []
    elsewhere = [(each, [name for name in none if _is_there(text["clauses"][name])]) for each, text in further.items()]
    lines += [
        ("but there is one on", wrapped(f"{', '.join(_called(name) for name in names)}: in {each}, see below"))
        for each, names in elsewhere
        if names
    ]
    unread = ", ".join(name.replace("_", " ") for name in license_["unknown"])
    lines += [("nobody looked for", wrapped(unread))] if unread and clauses else []
    return Section(title, lines)


def _is_there(clause: Mapping[str, Any] | None) -> bool:
    return clause is not None and clause["words"] != "none"


def _called(name: str) -> str:
    """A clause that was looked for, no wider than the look was: some texts ask for indemnity in one case alone."""
    return {"indemnity": "a general indemnity"}.get(name, name.replace("_", " "))


def _words(clause: Mapping[str, Any]) -> str:
    section = place(clause["section"]) if clause["section"] else "no section"
    memory = "" if clause["confidence"] == "seen" else "; from memory, the text was not read"
    return wrapped(clause["words"], f"({section}{memory})", clause["note"])


def lineage_section(paper: Mapping[str, Any]) -> Section:
    lineage = paper["lineage"]
    own = paper["model"]["license"]
    lines = [(" " * (len(each["path"]) - 2) + "made from", _ancestor(each, own)) for each in lineage["ancestors"]]
    gaps = [f"{gap['of']}: {gap['what']}" for gap in lineage["gaps"]]
    lines += [("not known", wrapped(*gaps))] if gaps else []
    note = "" if lines else "Trained from scratch: it has no base model."
    return Section("WHAT IT WAS MADE FROM", lines, note)


def _ancestor(each: Mapping[str, Any], own: str) -> str:
    if not each["in_catalog"]:
        return wrapped(f"{each['name']}: not in the catalog, its license is unknown")
    read = (_shortened(each["reading"]), each["live"]) if each["binding"] and each["reading"] else ()
    return wrapped(f"{each['name']}, {each['publisher']}", f"{each['license_name']}: {_binds(each, own)}", *read)


def _shortened(reading: str) -> str:
    """A reading whose hash is cut to what fits a line beside a name; the whole one is on the page of the license."""
    words, hashed, digest = reading.partition(" sha256:")
    return f"{words}, {short(digest)}" if hashed else words


def _binds(each: Mapping[str, Any], own: str) -> str:
    if each["binding"]:
        return "its license binds here too"
    if each["weights"] == "withheld":
        return "its weights were never published"
    return "the same license" if each["license"] == own else "the same publisher, which set other terms"
