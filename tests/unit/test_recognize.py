"""A license text is recognized exactly, as modified with what was added, or not at all."""

from __future__ import annotations

import re
import sysconfig
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.catalog.licenses import Licenses
from freehold.catalog.licenses.normalize import normalize, sha256_of
from freehold.catalog.licenses.recognize import LONGEST, recognize

LICENSES = Licenses.load()
SHIPPED = ("apache-2.0", "bsd-3-clause", "mit")


def _text(license_id: str) -> str:
    file = resources.files("freehold.catalog.licenses").joinpath("texts", f"{license_id}.txt")
    return file.read_text(encoding="utf-8")


MIT = _text("mit")


def _verdict(text: str) -> tuple[str, str | None]:
    found = recognize(text, LICENSES)
    return found.kind, found.license.id if found.license else None


@pytest.mark.parametrize("license_id", SHIPPED)
def test_a_text_is_itself_in_any_layout(license_id: str) -> None:
    text = _text(license_id)
    commented = "\n".join(f" # {line}" for line in text.splitlines())
    for layout in (text, text.upper(), commented, text.replace("\n", "\r\n"), text.replace('"', "“")):
        assert _verdict(layout) == ("exact", license_id)


@pytest.mark.parametrize(
    "above",
    [
        "MIT License\n\nCopyright (c) 2026 Example, Inc. and its affiliates\n\n",
        "The MIT License (MIT)\nCopyright © 2012-2026 Jane Q. Doe <jane@example.org>. All rights reserved.\n",
        "Copyright 2026 Will Example\nCopyright 2025 Example contributors\n\n",
    ],
)
def test_a_title_and_the_holders_change_nothing_and_the_holders_are_shown(above: str) -> None:
    found = recognize(above + MIT, LICENSES)
    assert (found.kind, found.residue) == ("exact", "")
    assert len(found.holders) == above.casefold().count("copyright")


@pytest.mark.parametrize(
    "added",
    [
        "Modified MIT License",
        "Copyright (c) 2026 Example. Commercial use needs a license.",
        "Copyright (c) 2026 Example. Large firms pay us first, see the website.",
        "Copyright (c) 2026 Example, free for research",
        "Products with more than 100 million users show our name.",
        "Apache License",
    ],
)
def test_anything_beside_the_text_makes_it_modified_and_is_shown(added: str) -> None:
    for text in (f"{added}\n\n{MIT}", f"{MIT}\n\n{added}"):
        found = recognize(text, LICENSES)
        assert (found.kind, str(found)) == ("modified", "modified mit")
        assert normalize(added).words.split()[0] in found.residue


def test_a_modified_license_that_is_known_is_found_as_itself(tmp_path: Path) -> None:
    change = "Our only change: show “Example 1” above a million users."
    text = f"MIT License\n\nCopyright (c) 2026 Example\n\n{MIT}\n\n{change}"
    words = normalize(text)
    row = f"""
id = "example-1"
name = "Example 1"
kind = "community"
summary = "MIT with a display duty."
[text]
source = "here"
retrieved = 2026-11-24
seen = true
normalized_sha256 = "{words.sha256}"
normalized_words = {len(words.words.split())}
[clauses]
"""
    file = tmp_path / "example-1.toml"
    file.write_text(row)
    mit = resources.files("freehold.catalog.licenses").joinpath("rows", "mit.toml")
    licenses = Licenses({"example-1": file, "mit": mit})
    assert str(recognize(text.replace("“", '"').replace("”", '"'), licenses)) == "recognized as example-1"
    more = recognize(f"{text}\n\nAnd tell us.", licenses)
    assert (str(more), more.residue) == ("modified example-1", "and tell us.")
    below = recognize(f"Read this first.\n\n{text}", licenses)
    assert (str(below), below.residue) == ("modified example-1", "read this first.")
    assert str(recognize(text.replace("million", "billion"), licenses)) == "modified mit"


def test_a_text_whose_words_are_not_shipped_is_recognized_by_its_bytes(tmp_path: Path) -> None:
    row = f"""
id = "bytes"
name = "Bytes"
kind = "other"
summary = "Known by its bytes."
[text]
source = "here"
retrieved = 2026-11-24
seen = true
sha256 = "{sha256_of("Do as you please.")}"
[clauses]
"""
    file = tmp_path / "bytes.toml"
    file.write_text(row)
    licenses = Licenses({"bytes": file})
    assert recognize("Do as you please.", licenses).kind == "exact"
    assert recognize("Do as we please.", licenses).kind == "unknown"


def test_an_apache_license_may_end_before_its_appendix_or_have_it_filled_in() -> None:
    text = _text("apache-2.0")
    head = text.partition("APPENDIX")[0]
    filled = text.replace("[yyyy] [name of copyright owner]", "2026 Example GmbH")
    for copy in (head, head.partition("END OF TERMS")[0], filled, text.replace('"[]"', '"{}"')):
        assert _verdict(copy) == ("exact", "apache-2.0")
    assert _verdict(head + "Additionally, no military use.") == ("modified", "apache-2.0")


def test_a_bsd_license_may_name_its_holder_and_nothing_else() -> None:
    text = _text("bsd-3-clause")
    named = recognize(text.replace("the ORGANIZATION", "the Example University"), LICENSES)
    assert (named.kind, named.holders) == ("exact", ("the example university",))
    ruled = text.replace("the ORGANIZATION", "the licensee, who must pay, nor the name of the ORGANIZATION")
    assert _verdict(ruled)[0] == "unknown"
    assert _verdict(text.replace("the ORGANIZATION", "a " + "very " * 40 + "long name"))[0] == "unknown"
    broken = text.partition("ORGANIZATION")[0] + "nobody at all\n\n"
    assert _verdict(broken + text.replace("the ORGANIZATION", "the Example University")) == ("modified", "bsd-3-clause")


NUMBERS = {license_id: len(_text(license_id).split()) for license_id in SHIPPED}


@settings(max_examples=150, deadline=None)
@given(
    license_id=st.sampled_from(SHIPPED),
    at=st.integers(0, 10_000),
    word=st.from_regex(r"[a-z]{2,12}", fullmatch=True),
    how=st.sampled_from(["replace", "drop", "insert"]),
)
def test_a_text_with_one_word_changed_is_never_exact_unless_the_change_is_shown_as_a_name(
    license_id: str, at: int, word: str, how: str
) -> None:
    pieces = re.split(r"(\s+)", _text(license_id).strip())
    index = at % NUMBERS[license_id] * 2
    old = pieces[index]
    if re.fullmatch(r"\(?\w{1,2}[.)]", old):
        return  # a list marker is layout
    pieces[index] = {"replace": word, "drop": "", "insert": f"{old} {word}"}[how]
    mutated = "".join(pieces)
    if normalize(mutated).words == normalize(_text(license_id)).words:
        assert old.casefold() == word
        return
    found, whole = recognize(mutated, LICENSES), recognize(_text(license_id), LICENSES)
    assert found.kind != "exact" or found.holders != whole.holders, (old, word)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("You may use it\nfor 30. Then ask.", ("30.", "90.")),
        ("Revenue above\n20. million is too much", ("20.", "90.")),
    ],
)
def test_a_number_that_begins_a_line_inside_a_long_sentence_is_no_list_marker(
    text: str, change: tuple[str, str]
) -> None:
    long = text.replace("\n", " of all the many things that one can think of\n")
    assert normalize(long).words != normalize(long.replace(*change)).words


NAMES = "ann bob cid dan eve fay gus hal ida jim kim leo mia ned oda pat"


@pytest.mark.parametrize(
    "text",
    [
        "this is under the Example License,\nCopyright (c) 2026 Example Inc.",
        "every copy has to show in a prominent place the following line:\nCopyright (c) 2026 Example Inc.",
        f"Copyright {NAMES}",
        f"Copyright (c) 2026 {NAMES} {NAMES}",
        "Copyright laws protect this",
        "Copyright\nlaw applies",
        "Copyright (c) 2026 Example, for research",
    ],
)
def test_a_line_about_copyright_that_is_no_bare_notice_stays_in_the_text(text: str) -> None:
    assert normalize(text).words == " ".join(text.casefold().split())
    assert normalize(text).holders == ()


@pytest.mark.parametrize(
    "text",
    ["Copyright (c) 2026 Ann <contact@example.org>", "(c) Example GmbH, 2026", "Copyright the Example contributors"],
)
def test_a_bare_notice_is_set_apart(text: str) -> None:
    assert normalize(f"{text}\n\nWords.").words == "words."
    assert normalize(text).holders == (text.casefold(),)


def test_layout_and_signs_do_not_hide_or_make_words() -> None:
    assert normalize("* No\u200b military\n  (a) use\n1. at all").words == "no military use at all"
    assert normalize("1\\. “ﬁne” — ｏｎｅ").words == '"fine" - one'
    assert normalize("at https://example.org").words == "at http://example.org"


@pytest.mark.parametrize("text", ["", "\n", "MIT", "x" * (LONGEST + 1), MIT + " " * LONGEST, "\ud800"])
def test_what_is_no_license_text_or_far_too_long_is_unknown(text: str) -> None:
    assert _verdict(text) == ("unknown", None)


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * (LONGEST - 2) + "b",
        "copyright (c) 2026 a" + " " * (LONGEST - 40) + "all rights reserve",
        "copyright (c) 2026 <" + "@" * (LONGEST - 40),
        "a " + "| " * (LONGEST // 2 - 2) + "b",
        "1" + ".)" * (LONGEST // 2 - 2),
        "/" * (LONGEST - 1),
        "redistribution and use in source and binary forms " * 20_000,
        "\\." * (LONGEST // 2),
    ],
)
def test_a_text_made_to_be_slow_is_decided_like_any_other(text: str) -> None:
    """Each of these takes hours where one step is quadratic in the length of the text."""
    assert len(text) <= LONGEST
    assert _verdict(text) == ("unknown", None)


def test_the_license_files_of_installed_packages_are_told_apart() -> None:
    found: dict[str, int] = {}
    for file in Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info/**/*"):
        if re.search(r"licen[sc]e|copying", file.name, re.IGNORECASE) and file.is_file():
            verdict = str(recognize(file.read_text("utf-8", "replace"), LICENSES))
            found[verdict] = found.get(verdict, 0) + 1
    assert found["recognized as mit"] >= 40
    assert found["recognized as apache-2.0"] >= 20
    assert found["recognized as bsd-3-clause"] >= 15
    assert {name for name in found if name.startswith("recognized")} == {f"recognized as {i}" for i in SHIPPED}


def test_no_installed_package_with_a_title_of_its_own_is_called_unknown() -> None:
    """Files that say they are MIT and hold its first and last words are recognized, as exact or as modified."""
    seen = 0
    for file in Path(sysconfig.get_paths()["purelib"]).glob("*.dist-info/**/LICENSE*"):
        words = normalize(file.read_text("utf-8", "replace")).words if file.is_file() else ""
        if normalize(MIT).words in words:
            seen += 1
            assert recognize(words, LICENSES).kind != "unknown", file
    assert seen >= 40
