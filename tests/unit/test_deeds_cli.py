"""`freehold deed` and `freehold signing`, as a person and as a program call them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.main import main
from freehold.core.builds import HeldBuild
from freehold.core.refs import parse
from freehold.store.deeds.document import write_deed
from freehold.store.deeds.record import Deed
from freehold.store.deeds.signing import Keys
from freehold.store.store import Store
from tests.unit.test_deeds_held import change, deed_of
from tests.unit.test_store import take_in, weights


class Terminal:
    """The command line, and what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        code = main(list(words))
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def json(self, *words: str) -> tuple[int, Any]:
        code, out, _ = self(*words, "--json")
        return code, json.loads(out)


@pytest.fixture
def freehold(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@pytest.fixture
def build(home: Path, tmp_path: Path) -> HeldBuild:
    return take_in(Store(home), weights(tmp_path / "t.gguf"))


def states(parts: list[dict[str, str]]) -> dict[str, str]:
    return {part["part"]: part["state"] for part in parts}


def test_a_deed_is_shown_to_people_programs_and_scripts(freehold: Terminal, build: HeldBuild, home: Path) -> None:
    deed = Store(home).deed(build)
    code, out, _ = freehold("deed", "show", "t")
    assert code == 0
    lines = {line.split("  ")[0].strip(): line for line in out.splitlines()}
    assert lines["signed by"].endswith("nobody") and lines["openness"].endswith("unknown")
    assert "  clean: " in lines["verification"] and f" on {deed.statement.kept_at[:10]}" in lines["verification"]
    assert lines["statement"].endswith(f"sha256 {deed.statement_sha256}")
    assert freehold.json("deed", "show", "t") == (0, json.loads(deed_of(build).read_text()))
    assert freehold("deed", "show", "t", "--quiet") == (0, f"{deed.statement_sha256}\n", "")


def test_a_printed_deed_is_read_again_and_compared(freehold: Terminal, build: HeldBuild, tmp_path: Path) -> None:
    _, out, _ = freehold("deed", "show", "t", "--json")
    (tmp_path / "then.json").write_text(out)
    assert freehold("deed", "diff", "then.json", "t") == (
        0,
        "",
        "The statements of then.json and t:q4_1 say the same.\n",
    )
    code, found = freehold.json("deed", "verify", "then.json")
    assert (code, found["verdict"]) == (4, "undecided")
    assert states(found["parts"])["file t.gguf"] == "undecided"


def test_changed_terms_are_said_with_the_license_first(
    freehold: Terminal, build: HeldBuild, home: Path, tmp_path: Path
) -> None:
    deed = Store(home).deed(build)
    for name, papers in (("then", {"clauses": {"cap": None}}), ("now", {"clauses": {"cap": 1000}})):
        license_ = {"then": "apache-2.0", "now": "llama3.3"}[name]
        statement = replace(deed.statement, license=license_, papers={"license": papers})
        write_deed(tmp_path / f"{name}.json", Deed(statement, deed.labels))
    said = "license\n  license: is llama3.3, was apache-2.0\n  clauses.cap: is 1,000, was not said\n"
    assert freehold("deed", "diff", "then.json", "now.json") == (1, said, "")
    code, found = freehold.json("deed", "diff", "then.json", "now.json")
    assert code == 1
    first = {"section": "license", "field": "license", "before": "apache-2.0", "after": "llama3.3"}
    assert found["differences"][0] == first
    assert (
        freehold("deed", "diff", "then.json", "now.json", "-q")[1].splitlines()[0]
        == "license: is llama3.3, was apache-2.0"
    )


def test_papers_of_another_shape_are_unknown_and_their_texts_make_no_lines(
    freehold: Terminal, build: HeldBuild, home: Path, tmp_path: Path
) -> None:
    deed = Store(home).deed(build)
    verification = deed.statement.verification
    assert verification is not None
    looked = replace(verification, freehold="1\nsignature  ok  by ed25519:0")
    papers = {"license": None, "openness": {"sentence": 5}}
    write_deed(tmp_path / "odd.json", Deed(replace(deed.statement, papers=papers, verification=looked), deed.labels))
    code, out, err = freehold("deed", "show", "odd.json")
    assert (code, err) == (0, "") and "openness      unknown" in out
    code, out, err = freehold("deed", "verify", "odd.json")
    assert (code, err) == (4, "")
    assert not any(line.startswith("signature  ok") for line in out.splitlines()), out


def test_every_part_is_verified_and_what_is_wrong_is_the_answer(freehold: Terminal, build: HeldBuild) -> None:
    code, found = freehold.json("deed", "verify", "t")
    assert (code, found["name"], found["verdict"]) == (0, "t:q4_1", "ok")
    assert states(found["parts"]) == {
        "statement": "ok",
        "signature": "none",
        "file t.gguf": "ok",
        "papers": "none",
        "verification": "ok",
    }
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    code, found = freehold.json("deed", "verify", "t")
    assert (code, found["verdict"], states(found["parts"])["file t.gguf"]) == (1, "wrong", "wrong")
    (verification,) = [part for part in found["parts"] if part["part"] == "verification"]
    assert verification["state"] == "undecided", "what was found in other bytes"
    assert verification["said"].endswith("; do not rely on it: wrong is the file t.gguf")
    assert freehold("deed", "verify", "t", "--quiet")[:2] == (1, "wrong\n")
    change(deed_of(build), b'"license":null', b'"license":"mi"')
    code, out, _ = freehold("deed", "verify", "t")
    assert code == 1 and "deed.json was changed after it was written" in out


@pytest.mark.parametrize("words", [("verify", "u"), ("verify", "u.json"), ("diff", "t", "u"), ("diff", "u.json", "t")])
def test_what_is_not_there_is_a_wrong_call_and_no_verdict(
    freehold: Terminal, build: HeldBuild, words: tuple[str, ...]
) -> None:
    code, out, err = freehold("deed", *words)
    assert (code, out) == (2, "") and "There is no " in err and "'u" in err
    assert main(["deed", *words, "--json"]) == 2


def test_a_house_makes_a_key_signs_what_it_holds_and_wants_signatures_then(
    freehold: Terminal, build: HeldBuild, home: Path
) -> None:
    assert freehold("signing", "show")[1:] == ("", "This house has no key and trusts none: freehold signing create\n")
    code, out, err = freehold("signing", "create")
    assert code == 0 and "is this house's key" in out and "1 held and not signed" in err
    assert "PRIVATE" not in out + err
    code, found = freehold.json("deed", "verify", "t")
    assert (code, states(found["parts"])["signature"]) == (1, "wrong")
    assert states(found["parts"])["verification"] == "undecided", "nobody vouches for what stands in the statement"
    key = Store(home).keys.own()
    assert freehold.json("deed", "sign", "--all") == (0, {"signed": [{"name": "t:q4_1", "key": key}]})
    assert freehold("deed", "sign", "--all")[2] == "Every deed is signed already.\n"
    code, found = freehold.json("deed", "verify", "t")
    assert (code, states(found["parts"])["signature"]) == (0, "ok")
    assert freehold("deed", "sign", "t") == (0, f"t:q4_1 is signed by {key}\n", "")


def test_all_are_those_that_nobody_signed_and_the_others_are_named(
    freehold: Terminal, build: HeldBuild, home: Path, tmp_path: Path
) -> None:
    take_in(Store(home), weights(tmp_path / "forged.gguf", b"\x22"))
    take_in(Store(home), weights(tmp_path / "stranger.gguf", b"\x33"))
    stranger, house = Keys(tmp_path / "elsewhere"), Store(home)
    key = (stranger.create(), house.keys.create())[1]
    signed = {
        "stranger": stranger.sign(house.deed(house.peek(parse("stranger"))).sealed),
        "forged": house.keys.sign("x"),
    }
    for name, signature in signed.items():
        held = house.peek(parse(name))
        write_deed(deed_of(held), replace(house.deed(held), signature=signature))
    code, out, err = freehold("deed", "sign", "--all")
    assert (code, out) == (0, f"t:q4_1 is signed by {key}\n")
    assert err == "Not signed, for their signatures are another's or wrong: forged:q4_1, stranger:q4_1.\n"
    assert freehold("deed", "sign", "forged")[0] == 3
    assert freehold("deed", "sign", "stranger") == (0, f"stranger:q4_1 is signed by {key}\n", "")


def test_one_house_trusts_anothers_key(
    freehold: Terminal, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert freehold("signing", "create")[0] == 0
    (tmp_path / "theirs.pub").write_text(freehold("signing", "export")[1])
    theirs = Store(home).keys.own()
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "ours"))
    assert freehold("signing", "trust", "theirs.pub") == (0, f"{theirs} is trusted.\n", "")
    assert freehold.json("signing", "show") == (
        0,
        [{"key": theirs, "whose": "trusted", "path": str(next((tmp_path / "ours" / "keys" / "trusted").iterdir()))}],
    )
    assert freehold("signing", "trust", "nothing.pub")[0] == 2


def test_wrong_calls_say_how_to_call(freehold: Terminal, build: HeldBuild) -> None:
    code, _, err = freehold("deed", "sign")
    assert code == 2 and "--all" in err
    assert freehold("deed", "sign", "t", "--all")[0] == 2
    code, _, err = freehold("deed", "sign", "t")
    assert code == 3 and "freehold signing create" in err
    code, _, err = freehold("signing", "export")
    assert code == 3 and "This house has no key" in err
    assert freehold("deed", "show", "nothing")[0] == 1
    assert freehold("deed", "show", "nothing.json")[0] == 1


def test_a_passphrase_from_a_file_closes_the_key(
    freehold: Terminal, build: HeldBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phrase").write_text("correct horse\n")
    monkeypatch.setenv("FREEHOLD_KEY_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert freehold("signing", "create")[0] == 0
    assert freehold("deed", "sign", "t")[0] == 0
    monkeypatch.delenv("FREEHOLD_KEY_PASSPHRASE_FILE")
    assert freehold("deed", "verify", "t")[0] == 0
    code, _, err = freehold("deed", "sign", "t")
    assert code == 3 and "FREEHOLD_KEY_PASSPHRASE" in err and "horse" not in err


def test_a_refused_build_is_removed_by_the_command_that_the_refusal_names(
    freehold: Terminal, build: HeldBuild, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    code, _, err = freehold("run", "t", "Hi")
    assert code == 3 and "`freehold rm t:q4_1`" in err
    assert freehold("rm", "t:q4_1", "--yes")[0] == 0
    assert Store(home).builds() == ()
