"""`freehold license keep`: the text that a house accepted, beside a build that came without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from freehold.catalog.licenses import Licenses, TextRef
from freehold.core.builds import HeldBuild
from freehold.core.errors import BuildChangedError, CallError, DeedSignatureError, HouseKeyError
from freehold.core.refs import parse
from freehold.core.settings import load
from freehold.python import license_keeping
from freehold.python.license_keeping import keep_text
from freehold.store.license_texts import MAX_TEXTS
from freehold.store.store import Store
from tests.bundles import made, opened, taken_apart
from tests.unit.test_deeds_cli import Terminal, states
from tests.unit.test_deeds_held import change, deed_of
from tests.unit.test_store import take_in, weights
from tests.wheels import sha256

freehold = pytest.fixture(lambda capsys: Terminal(capsys))


def shipped(name: str) -> bytes:
    return resources.files("freehold.catalog.licenses").joinpath("texts", f"{name}.txt").read_bytes()


@pytest.fixture
def build(home: Path, tmp_path: Path) -> HeldBuild:
    """A build of which no license is known."""
    return take_in(Store(home), weights(tmp_path / "t.gguf"))


@pytest.fixture
def apache(tmp_path: Path) -> Path:
    path = tmp_path / "LICENSE"
    path.write_bytes(shipped("apache-2.0"))
    return path


def test_a_text_that_is_no_license_we_know_is_kept_only_on_demand_and_the_deed_says_so(
    freehold: Terminal, build: HeldBuild, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "page.txt").write_text("Terms, as they stood on a page.\n")
    code, _, err = freehold("license", "keep", "t", "page.txt")
    assert code == 2 and "is not, word for word, a text that t:q4_1 is known to be under." in err
    assert "--unrecognized" in err and Store(home).deed(build).statement.texts == ()
    code, said = freehold.json("license", "keep", "t", "page.txt", "--unrecognized")
    assert (code, said["recognized"], said["added"]) == (0, None, True)
    (text,) = Store(home).deed(build).statement.texts
    assert text.source.startswith("this house, added on 2") and text.source.endswith(", not recognized")


@pytest.mark.parametrize(("content", "why"), [(b"", "is empty"), (b"a" * (1 << 20) + b"b", "larger than a license")])
def test_what_can_be_no_license_text_is_refused(
    content: bytes, why: str, freehold: Terminal, build: HeldBuild, tmp_path: Path
) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    code, _, err = freehold("license", "keep", "t", "x.txt", "--unrecognized")
    assert code == 2 and why in err
    for name in ("nothing.txt", "deed.json"):
        assert freehold("license", "keep", "t", name, "--unrecognized")[0] == 2
    (tmp_path / "ok.txt").write_bytes(b"\xff\xfe")
    assert freehold("license", "keep", "t", "ok.txt")[0] == 2, "no text in UTF-8 is recognized"
    assert freehold("license", "keep", "u", "ok.txt")[0] == 1


def test_a_known_text_is_kept_beside_a_build_once_and_is_part_of_what_is_verified(
    freehold: Terminal, build: HeldBuild, home: Path, apache: Path
) -> None:
    code, out, _ = freehold("license", "keep", "t", str(apache))
    assert code == 0 and out.startswith("LICENSE is kept beside t:q4_1: recognized as apache-2.0, sha256 ")
    assert "LICENSE was kept already" in freehold("license", "keep", "t", str(apache))[1]
    kept = deed_of(build).parent / "papers" / "LICENSE"
    assert kept.read_bytes() == apache.read_bytes() and kept.stat().st_mode & 0o777 == 0o444
    code, found = freehold.json("deed", "verify", "t")
    assert (code, states(found["parts"])["text LICENSE"]) == (0, "ok")
    assert "from this house, added on" in freehold("deed", "show", "t")[1]
    change(kept, b"Apache", b"Apachf")
    code, found = freehold.json("deed", "verify", "t")
    assert (code, states(found["parts"])["text LICENSE"]) == (1, "wrong")
    with pytest.raises(BuildChangedError):
        Store(home).find(parse("t"))


def test_one_name_has_one_text_and_there_is_an_end(build: HeldBuild, tmp_path: Path) -> None:
    for number in range(MAX_TEXTS):
        (tmp_path / f"{number}.txt").write_text(f"Text {number}.\n")
        keep_text("t", tmp_path / f"{number}.txt", load(), unrecognized=True)
    (tmp_path / "0.txt").write_text("Another.\n")
    with pytest.raises(CallError, match="has another text named"):
        keep_text("t", tmp_path / "0.txt", load(), unrecognized=True)
    (tmp_path / "last.txt").write_text("One more.\n")
    with pytest.raises(CallError, match="that is the most"):
        keep_text("t", tmp_path / "last.txt", load(), unrecognized=True)


def test_the_house_signs_the_statement_again_and_signs_nothing_whose_bytes_are_wrong(
    build: HeldBuild, home: Path, apache: Path
) -> None:
    store = Store(home)
    store.keys.create()
    store.sign(parse("t"))
    before = store.deed(build).signature
    assert keep_text("t", apache, load()).added
    after = store.deed(build)
    assert after.signature is not None and after.signature != before and store.keys.state(after) == "valid"
    apache.with_name("NOTICE").write_text("A notice.\n")
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    with pytest.raises(BuildChangedError):
        keep_text("t", apache.with_name("NOTICE"), load(), unrecognized=True)
    assert store.deed(build) == after


def test_a_deed_that_another_house_signed_wants_a_key_and_a_forged_one_is_left_alone(
    build: HeldBuild, home: Path, apache: Path, tmp_path: Path
) -> None:
    from tests.unit.test_deeds import resealed

    store = Store(home)
    store.keys.create()
    store.sign(parse("t"))
    store.layout.keys.rename(tmp_path / "elsewhere")
    with pytest.raises(HouseKeyError, match="no key"):
        keep_text("t", apache, load())
    (tmp_path / "elsewhere").rename(store.layout.keys)
    resealed(deed_of(build), "statement", {"license": "mit"})
    with pytest.raises(DeedSignatureError, match="forged or damaged"):
        keep_text("t", apache, load())
    assert not (deed_of(build).parent / "papers").exists()


def test_a_list_of_uses_counts_as_a_text_of_its_license() -> None:
    record = Licenses.load().get("gemma-2025-03-24")
    assert record is not None
    data = b"You may not.\n"
    policy = TextRef(source="here", retrieved=None, seen=True, sha256=sha256(data))
    bound = (replace(record, use_policy=policy),)
    recognized: Callable[..., str | None] = license_keeping._recognized
    assert recognized(data, Path("p"), bound, Licenses.load()) == "gemma-2025-03-24"
    assert recognized(b"You may.\n", Path("p"), bound, Licenses.load()) is None


@pytest.mark.engine
def test_the_text_of_another_license_is_refused_beside_a_model_we_know(
    freehold: Terminal, smollm2_gguf: Path, apache: Path, tmp_path: Path
) -> None:
    assert freehold("pull", str(smollm2_gguf), "--in-place")[0] == 0
    (tmp_path / "MIT").write_bytes(shipped("mit"))
    code, _, err = freehold("license", "keep", "smollm2-135m-instruct", "MIT", "--unrecognized")
    assert code == 2 and "is MIT License, and the build is under apache-2.0." in err
    assert freehold("license", "keep", "smollm2-135m-instruct", str(apache))[0] == 0
    assert freehold("deed", "verify", "smollm2-135m-instruct")[0] == 0


def test_a_bundle_says_which_builds_it_has_no_text_of_and_carries_the_ones_that_were_added(
    freehold: Terminal, build: HeldBuild, home: Path, apache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = freehold("bundle", "make", "t", "-o", "bare.tar", "--no-wheels")
    assert code == 0 and "No license text of t:q4_1 is in it: none came with the weights." in err
    assert "freehold license keep t:q4_1 FILE" in err
    (said,) = taken_apart(tmp_path / "bare.tar")[0]["manifest"]["builds"]
    assert said["license_texts"] == [] and said["license_note"].startswith("no license text came with these weights")
    keep_text("t", apache, load())
    far = Store(tmp_path / "far")
    assert made(Store(home), tmp_path / "whole.tar").without_text == ()
    envelope, members = taken_apart(tmp_path / "whole.tar")
    (said,) = envelope["manifest"]["builds"]
    assert (said["license_texts"], said["license_note"]) == (["LICENSE"], None)
    assert dict(members)[f"builds/{build.digest.removeprefix('sha256:')}/papers/LICENSE"] == apache.read_bytes()
    assert opened(far, tmp_path / "whole.tar").without_text == ()
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "farther"))
    code, said = freehold.json("bundle", "open", "bare.tar")
    assert (code, said["without_license_text"]) == (0, ["t:q4_1"])
