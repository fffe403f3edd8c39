"""How the paper of a model is laid out for people: sections of names and values, 80 columns wide, sources as numbers.

Pure: it takes the dictionary of `catalog.paper` and gives text; `output` prints it. Every unknown is said as unknown,
and nothing is said of a license but what we read in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from freehold.cli.layout import WIDTH, Line, Sources, bar, place, short, wrapped
from freehold.cli.output import Section, size
from freehold.cli.page_license import clauses_sections, duties_section, license_section, lineage_section

Paper = Mapping[str, Any]

_STATES = {"restricted": "restricted: its license is not open", "partial": "in part"}
_EVIDENCE = (
    "verified: a program saw the file and its license. cited: a public index of such facts says so. claimed: the "
    "publisher's card, paper or repository does."
)
_COMPLETE = (
    "Of its size, shape, lineage and what was published, every field that the catalog asks of any model is known."
)


def sections(paper: Paper, held: Sequence[Mapping[str, Any]]) -> list[Section]:
    """The whole page. `held` are rows of the builds of this model that the store holds."""
    sources = Sources()
    page = [
        _identity(paper, held, sources),
        _openness(paper),
        license_section(paper),
        duties_section(paper),
        *clauses_sections(paper),
        lineage_section(paper),
        _published(paper, sources),
        _verdicts(paper, sources),
        _shape(paper, sources),
        _unknown(paper),
        Section("SOURCES", sources.lines()),
    ]
    return [section for section in page if section.lines or section.note]


def _identity(paper: Paper, held: Sequence[Mapping[str, Any]], sources: Sources) -> Section:
    model, publisher = paper["model"], paper["model"]["publisher"]
    released = sources.mark(model["sources"].get("weights_released") or model["sources"].get("api_released"))
    return Section(
        model["title"],
        [
            ("name", model["name"]),
            ("publisher", f"{publisher['name']}, {publisher['kind']}, {publisher['country'] or 'country unknown'}"),
            ("is for", ", ".join(model["skills"]) or None),
            ("takes and gives", ", ".join(model["modalities"]) or None),
            ("weights", wrapped(_weights(model) + (released if model["weights_released"] else ""))),
            ("API", _api(model, released)),
            ("terms to accept", _gate(model)),
            ("held here", _held(held)),
            ("builds by name", _builds(model)),
        ],
    )


def _weights(model: Mapping[str, Any]) -> str:
    if model["weights"] == "withheld":
        return "kept by the publisher"
    where = f" at hf:{model['repository']}" if model["repository"] else ", place unknown"
    return f"published {model['weights_released'] or '(date unknown)'}{where}"


def _api(model: Mapping[str, Any], mark: str) -> str | None:
    if model["api_released"] is None:
        return None if model["weights"] == "withheld" else "no date known of a service by its publisher"
    return f"since {model['api_released']}{mark}"


def _gate(model: Mapping[str, Any]) -> str | None:
    if model["weights"] == "withheld":
        return "yes, as of every service"
    said = {True: "yes, with an account, before it can be downloaded", False: "no", None: None}
    return said[model["gated"]]


def _held(held: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(f"{row['name']}, {short(row['digest'])}" for row in held) or "no build of it"


def _builds(model: Mapping[str, Any]) -> str:
    named = [
        wrapped(
            f"{model['name']}:{build['tag']} from {build['source']}, {size(build['size_bytes'])}",
            short(build["sha256"]),
        )
        for build in model["builds"]
    ]
    if named or model["weights"] == "withheld":
        return "\n".join(named) or "none: it cannot be pulled"
    return "none; a repository with GGUF files of it is pulled by\n`freehold pull hf:ORG/REPO:QUANT`"


def _openness(paper: Paper) -> Section:
    opened = paper["openness"]
    free, public = opened["freedom"], opened["published"]
    restrictions = _restrictions(free, paper["model"]["name"])
    closing = [_closing(each, paper["model"]["name"]) for each in opened["evidence"]]
    return Section(
        "HOW OPEN IT IS",
        [
            ("label", f"{opened['label']['text']} ({_levels('F', free)}, {_levels('T', public)})"),
            ("", bar(*opened["label"]["position"])),
            (
                "freedom",
                wrapped(f"{_levels('F', free)}: {_between(free)}", *restrictions, *_lawful(paper)),
            ),
            ("published", wrapped(f"{_levels('T', public)}: {_between(public)}{_derived(public)}")),
            ("would close a gap", wrapped(*closing) if closing else "nothing: no unknown matters to it"),
        ],
        "F is what the license leaves free, T what was published. They are not added up.",
    )


def _levels(letter: str, bounds: Mapping[str, Any]) -> str:
    low, high = bounds["low"], bounds["high"]
    return f"{letter}{low}" if low == high else f"{letter}{low}-{letter}{high}"


def _between(axis: Mapping[str, Any]) -> str:
    return axis["means"] if axis["low"] == axis["high"] else f"at least {axis['means']}; at most {axis['best']}"


def _derived(public: Mapping[str, Any]) -> str:
    return "; what others published of its bases counts in it" if public["derived"] else ""


def _restrictions(free: Mapping[str, Any], name: str) -> Iterator[str]:
    for part in free["parts"]:
        if part["model"] != name and part["restrictions"]:
            yield f"by the license of {part['model']} ({part['license']}):"
        for each in part["restrictions"]:
            yield f"- {each['what']}" + (f" ({place(each['section'])})" if each["section"] else "")


def _lawful(paper: Paper) -> Iterator[str]:
    """Why a duty to keep to the law stands beside F3: such a text rules out no use that was allowed without it."""
    for each in paper["license"]["beside"]:
        use = each["clauses"].get("acceptable_use")
        if use is not None and use.get("form") == "law only":
            yield f"{each['id']}, beside the license, asks to keep to the law, which lowers no level: it adds no list"


def _closing(missing: Mapping[str, Any], name: str) -> str:
    of = "" if missing["of"] == name else f" of {missing['of']}"
    what = {"component": f"whether {missing['what']} was published", "license": f"the text of {missing['what']}"}
    return f"- {what.get(missing['kind'], missing['kind'] + ': ' + missing['what'])}{of}"


def _published(paper: Paper, sources: Sources) -> Section:
    lines = [(name.replace("_", " "), _component(each, sources)) for name, each in paper["model"]["published"].items()]
    return Section("WHAT WAS PUBLISHED", lines, wrapped(_EVIDENCE, width=WIDTH))


def _component(each: Mapping[str, Any], sources: Sources) -> str | None:
    if each["state"] == "unknown":
        return None
    return f"{_STATES.get(each['state'], each['state'])}, {each['evidence']}{sources.mark(each['source'])}"


def _verdicts(paper: Paper, sources: Sources) -> Section:
    opened = paper["openness"]
    mof, osaid = opened["mof"], opened["osaid"]
    classes = mof["low"] if mof["low"] == mof["high"] else f"{mof['low']} to {mof['high']}"
    lacks = f"lacks {', '.join(mof['missing'])}" if mof["missing"] else ""
    unsure = f"unknown: {', '.join(mof['unknown'])}" if mof["unknown"] else ""
    return Section(
        "WHAT OTHERS SAY, AND WHAT THEIR RULES SAY",
        [
            (
                "Openness Framework",
                wrapped(f"class {classes}, by version {mof['version']}, computed here", lacks, unsure),
            ),
            ("OSAID", wrapped(f"{osaid['verdict']}, version {osaid['version']}, computed here", *_why(osaid))),
            (
                "reviewed by the OSI",
                opened["osi_reviewed"] + sources.mark(paper["model"]["sources"].get("osi_reviewed")),
            ),
            ("European index", _figure(opened["osai"], sources)),
            ("transparency index", _figure(opened["transparency"], sources)),
        ],
    )


def _why(osaid: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {reason}" for reason in osaid["reasons"])
    if osaid["unknown"]:
        yield f"- unknown: {', '.join(osaid['unknown'])}"


def _figure(figure: Mapping[str, Any] | None, sources: Sources) -> str | None:
    if figure is None:
        return None
    return f"{figure['value']:g} of {figure['of']:g}, {figure['date']}, their figure{sources.mark(figure['source'])}"


def _shape(paper: Paper, sources: Sources) -> Section:
    model = paper["model"]
    known = [f"{name.replace('_', ' ')} {value:,}" for name, value in _numbers(model["shape"])]
    return Section(
        "SIZE AND SHAPE",
        [
            ("parameters", _parameters(model, sources)),
            ("context", _tokens(model, sources)),
            ("architecture", model["shape"]["architecture"]),
            ("shape", wrapped("; ".join(known) + sources.mark(model["sources"].get("shape"))) if known else None),
            ("chat template", {True: "yes", False: "no: it continues texts", None: None}[model["chat_template"]]),
        ],
    )


def _parameters(model: Mapping[str, Any], sources: Sources) -> str | None:
    if model["parameters"] is None:
        return None
    nominal = " (the publisher's round number)" if model["parameters_nominal"] else ""
    active = f"; {model['active_parameters']:,} at work on a token" if model["active_parameters"] else ""
    return wrapped(f"{model['parameters']:,}{nominal}{active}{sources.mark(model['sources'].get('parameters'))}")


def _tokens(model: Mapping[str, Any], sources: Sources) -> str | None:
    if model["context_tokens"] is None:
        return None
    return f"{model['context_tokens']:,} tokens{sources.mark(model['sources'].get('context_tokens'))}"


def _numbers(shape: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What this architecture has: 0 is how a row says that there are no experts, or no window."""
    for name, value in shape.items():
        if name != "architecture" and value:
            yield name, value


def _unknown(paper: Paper) -> Section:
    groups: dict[str, list[str]] = {}
    for field in paper["model"]["unknown"]:
        group, _, name = field.rpartition(".")
        groups.setdefault(group or "of the model", []).append(name.replace("_", " "))
    if besides := list(_besides(paper)):
        groups["on this page"] = besides
    lines: list[Line] = [(group, wrapped(", ".join(names))) for group, names in groups.items()]
    complete = "" if paper["model"]["unknown"] else _COMPLETE
    return Section("WHAT NOBODY HAS READ", lines, wrapped(complete, width=WIDTH))


def _besides(paper: Paper) -> Iterator[str]:
    """What the page says is unknown and the row's own fields do not count."""
    model, license_, opened = paper["model"], paper["license"], paper["openness"]
    if model["api_released"] is None:
        yield "date of a service by its publisher"
    if license_["known"] and license_["version_date"] is None:
        yield "date of the license"
    texts = {"license": license_["text"], "use policy": license_["use_policy"]}
    yield from (f"sha256 of the {name}" for name, text in texts.items() if text and text["sha256"] is None)
    figures = {"European index": opened["osai"], "transparency index": opened["transparency"]}
    yield from (name for name, figure in figures.items() if figure is None)
