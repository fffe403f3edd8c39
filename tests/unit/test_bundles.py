"""Bundles: what goes in comes out, and a bundle that is anything else than what its maker made leaves nothing."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.core.builds import HeldBuild
from freehold.core.errors import (
    BuildChangedError,
    BundleError,
    CallError,
    DeedSignatureError,
    FreeholdError,
    PolicyError,
    StoreError,
    WeightsError,
)
from freehold.core.refs import parse
from freehold.store.bundles import unaided
from freehold.store.bundles.makers import require_key
from freehold.store.bundles.making import make
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.document import document, read_deed, write_deed
from freehold.store.deeds.record import Deed, TextFile
from freehold.store.store import Store
from tests.bundles import changed, content_at, extra, flipped, made, opened, put_together, taken_apart
from tests.recorder import Recorder
from tests.unit.test_deeds_cli import Terminal
from tests.unit.test_deeds_held import change, deed_of
from tests.unit.test_store import take_in, weights
from tests.wheels import sha256

LICENSE = b"Do what you like, and say whose it was.\n"
freehold = pytest.fixture(lambda capsys: Terminal(capsys))


@pytest.fixture
def store(home: Path) -> Store:
    return Store(home)


@pytest.fixture
def far(tmp_path: Path) -> Store:
    """The store of another house, where nothing is held yet."""
    return Store(tmp_path / "far")


@pytest.fixture
def build(store: Store, tmp_path: Path) -> HeldBuild:
    return take_in(store, weights(tmp_path / "Tiny.Q4_1.gguf"))


@pytest.fixture
def bundle(store: Store, build: HeldBuild, tmp_path: Path) -> Path:
    return made(store, tmp_path / "house.tar").path


def with_license(store: Store, build: HeldBuild) -> HeldBuild:
    """The build, with a license text beside it from the day it came in."""
    deed = store.deed(build)
    text = TextFile("LICENSE", len(LICENSE), sha256(LICENSE), "https://host/LICENSE")
    staged = store.layout.partial("staged")
    (staged / "papers").mkdir(parents=True)
    (staged / "papers" / "LICENSE").write_bytes(LICENSE)
    (staged / build.files[0].name).write_bytes(build.files[0].read_bytes())
    store.remove(parse(build.name))
    return store.keep(staged, Deed(replace(deed.statement, texts=(text,)), deed.labels))


def leaves_nothing(far: Store) -> bool:
    kept = [path for path in far.layout.home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return not kept and far.builds() == ()


def deed_in(bundle: Path) -> str:
    return next(name for name, _ in taken_apart(bundle)[1] if name.endswith("deed.json"))


def weights_in(bundle: Path) -> str:
    return next(name for name, _ in taken_apart(bundle)[1] if name.endswith(".gguf"))


def test_a_build_comes_out_as_it_went_in(store: Store, build: HeldBuild, far: Store, tmp_path: Path) -> None:
    build = with_license(store, build)
    path = made(store, tmp_path / "house.tar").path
    result = opened(far, path)
    (there,) = result.builds
    assert (there.name, there.digest, there.facts) == (build.name, build.digest, build.facts)
    assert there.files[0].read_bytes() == build.files[0].read_bytes()
    assert there.files[0].stat().st_mode & 0o777 == 0o444
    assert (there.files[0].parent / "papers" / "LICENSE").read_bytes() == LICENSE
    assert far.deed(there).sealed == store.deed(build).sealed
    assert far.find(parse("tiny")) == there
    came = far.deed(there).origins[-1]
    assert (came.asked, came.pinned) == ("bundle:house.tar", f"bundle:sha256:{result.manifest_sha256}")


def test_other_places_a_house_asked_are_not_carried(store: Store, build: HeldBuild, tmp_path: Path) -> None:
    take_in(store, weights(tmp_path / "private" / "again.gguf"), name="mine:x")
    _, members = taken_apart(made(store, tmp_path / "house.tar").path)
    assert b"private" not in next(data for name, data in members if name.endswith("deed.json"))


def test_equal_builds_give_equal_bytes(store: Store, build: HeldBuild, tmp_path: Path) -> None:
    store.keys.create()
    store.sign(parse("tiny"))
    first, second = (made(store, tmp_path / name).path.read_bytes() for name in ("a.tar", "b.tar"))
    assert first == second


def test_any_tar_reads_it_and_the_manifest_comes_first(bundle: Path) -> None:
    with tarfile.open(bundle) as tar:
        names = tar.getnames()
    assert names[:3] == ["manifest.json", "README.txt", "open.py"]
    assert {name.split("/")[0] for name in names[3:]} == {"builds"}


def test_several_builds_and_one_used_in_place_travel_together(
    store: Store, build: HeldBuild, far: Store, tmp_path: Path
) -> None:
    take_in(store, weights(tmp_path / "other (2).gguf", b"\x22"), copy=False, name="other:x")
    result = opened(far, made(store, tmp_path / "house.tar").path)
    assert {each.name for each in result.builds} == {"tiny:q4_1", "other:x"}
    assert not any(far.is_in_place(each) for each in result.builds)
    assert far.find(parse("other:x")).files[0].name == "other (2).gguf"


def test_opening_twice_changes_nothing(bundle: Path, far: Store) -> None:
    first, second = opened(far, bundle), opened(far, bundle)
    assert first.builds == second.builds and len(far.builds()) == 1


def test_what_an_interrupted_opening_left_is_cleared_away(bundle: Path, far: Store) -> None:
    left = far.layout.partial(f"bundle-{opened(far, bundle).manifest_sha256[:32]}") / "builds" / "half.gguf"
    far.remove(parse("tiny"))
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    opened(far, bundle)
    assert not left.exists() and far.find(parse("tiny"))


Break = Callable[[Path], object]


def a_link(path: Path) -> Path:
    def link(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"

    return changed(path, weights_in(path), link)


def renamed(to: str) -> Break:
    def rename(path: Path) -> Path:
        return changed(path, weights_in(path), lambda info: setattr(info, "name", to))

    return rename


def resized(info: tarfile.TarInfo) -> None:
    info.size = 1 << 50


def named(path: Path, name: str) -> Path:
    """The manifest itself names what no bundle has, with its hash."""
    envelope, members = taken_apart(path)
    return put_together(path, envelope["manifest"], [*members, (name, b"x")])


def claiming(path: Path) -> Path:
    """A manifest that claims a petabyte, and a header that agrees."""
    envelope, members = taken_apart(path)
    manifest = envelope["manifest"]
    manifest["members"][-1]["size_bytes"] = 10**15
    first = unaided.envelope(manifest, None, None)
    body = unaided.header("manifest.json", len(first)) + first + unaided.padding(len(first))
    for each, (name, data) in zip(manifest["members"], members, strict=True):
        body += unaided.header(name, each["size_bytes"]) + data + unaided.padding(len(data))
    path.write_bytes(body)
    return path


def owned(info: tarfile.TarInfo) -> None:
    info.uid = 7


def huge_manifest(info: tarfile.TarInfo) -> None:
    info.size = 1 << 40


def resealed(path: Path) -> Path:
    raw = path.read_bytes()
    at = raw.index(b'"freehold":"') + len(b'"freehold":"')
    return flipped(path, at)


BROKEN: dict[str, tuple[Break, str]] = {
    "a byte of the weights": (lambda p: flipped(p, content_at(p, weights_in(p)) + 800), "was changed: the weight file"),
    "a byte of a deed": (lambda p: flipped(p, content_at(p, deed_in(p)) + 40), "was changed: the deed"),
    "a byte of the manifest": (resealed, "was changed: its manifest has sha256"),
    "a byte of its layout": (lambda p: flipped(p, content_at(p, "manifest.json")), "its manifest cannot be read"),
    "a byte between members": (
        lambda p: flipped(p, content_at(p, "open.py") - 513),
        "has bytes after README.txt that belong to no member",
    ),
    "one member more": (lambda p: extra(p, "evil.sh"), "has a member that its manifest does not name: 'evil.sh'"),
    "something behind the end": (lambda p: p.write_bytes(p.read_bytes() + b"x"), "goes on after everything"),
    "a name that leads out": (renamed("../../evil"), "holds '../../evil' where its manifest names builds/"),
    "a link": (a_link, "holds a symbolic link"),
    "another size": (
        lambda p: changed(p, weights_in(p), resized),
        "has 1,125,899,906,842,624 bytes; its manifest names",
    ),
    "another owner": (
        lambda p: changed(p, weights_in(p), lambda i: setattr(i, "uid", 7)),
        "in another way than a bundle",
    ),
    "its end is missing": (lambda p: p.write_bytes(p.read_bytes()[:-1500]), "was cut off"),
    "a claim of a petabyte": (claiming, "and its manifest names 1,000,000,0"),
    "a manifest of a terabyte": (
        lambda p: changed(p, "manifest.json", huge_manifest),
        "claims a manifest of 1,099,511,",
    ),
    "a path of the manifest": (lambda p: named(p, "../evil"), "names '../evil', and no bundle has such a member"),
    "a folder of the manifest": (lambda p: named(p, f"builds/{'0' * 64}/.."), "and no bundle has such a member"),
    "one name twice": (lambda p: named(p, "README.txt"), "names README.txt twice"),
    "a later version": (
        lambda p: put_together(p, taken_apart(p)[0]["manifest"] | {"version": 2}, taken_apart(p)[1]),
        "is a bundle of version 2",
    ),
    "no tar": (lambda p: p.write_bytes(b"no tar" * 400), "is no bundle: it is not a tar"),
    "another tar": (lambda p: changed(p, "manifest.json", lambda i: setattr(i, "name", "a")), "it begins with 'a'"),
    "nothing": (lambda p: p.write_bytes(b""), "is no bundle"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_hostile_bundle_is_refused_in_its_own_words_and_leaves_nothing(
    name: str, bundle: Path, far: Store
) -> None:
    break_, expected = BROKEN[name]
    break_(bundle)
    with pytest.raises(BundleError) as caught:
        opened(far, bundle)
    assert expected in caught.value.message
    assert leaves_nothing(far)


@pytest.mark.parametrize("name", ["a byte of the weights", "a link", "a claim of a petabyte", "one member more"])
def test_the_program_in_the_bundle_refuses_it_in_the_same_words(name: str, bundle: Path, tmp_path: Path) -> None:
    _, members = taken_apart(bundle)
    (tmp_path / "open.py").write_bytes(dict(members)["open.py"])
    break_, expected = BROKEN[name]
    envelope, members = taken_apart(bundle)
    wheels = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "platform": __import__("sysconfig").get_platform(),
    }
    put_together(bundle, envelope["manifest"] | {"wheels": wheels}, members)
    break_(bundle)
    command = [sys.executable, "-I", str(tmp_path / "open.py"), str(bundle), "--into", str(tmp_path / "venv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and expected in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "venv").exists()
    assert (f"Checking every byte of {bundle} ..." in done.stderr) is (name != "a claim of a petabyte")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(data=st.data())
def test_any_changed_bit_of_a_signed_bundle_is_refused(data: st.DataObject, signed: tuple[Path, Store]) -> None:
    path, far = signed
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    try:
        flipped(path, at, 1 << data.draw(st.integers(0, 7)))
        with pytest.raises(FreeholdError):
            opened(far, path)
        assert leaves_nothing(far)
    finally:
        path.write_bytes(whole)


@pytest.fixture
def signed(store: Store, build: HeldBuild, far: Store, tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    """A bundle signed by a stranger, and a house that takes such ones."""
    store.keys.create()
    store.sign(parse("tiny"))
    yield made(store, tmp_path / "signed.tar").path, far


def test_a_house_without_a_key_takes_a_strangers_bundle_and_says_whose_it_is(signed: tuple[Path, Store]) -> None:
    path, far = signed
    result = opened(far, path)
    assert result.maker.state == "unknown key" and (result.maker.key or "").startswith("ed25519:")
    assert far.keys.trusted() == {}
    assert far.deed(result.builds[0]).signature is not None


def test_a_house_with_a_key_takes_only_whom_it_trusts(signed: tuple[Path, Store], store: Store) -> None:
    path, far = signed
    own = far.keys.create()
    with pytest.raises(BundleError, match="a key this house does not trust") as caught:
        opened(far, path)
    assert f"--trust {store.keys.own()}" in caught.value.hint
    result = opened(far, path, trust=store.keys.own())
    assert result.maker.state == "valid" and list(far.keys.trusted()) == [store.keys.own()]
    signature = far.deed(result.builds[0]).signature
    assert signature is not None and signature.key == own, "this house has looked at it and vouches for it now"
    assert far.find(parse("tiny")) == result.builds[0]


def test_a_key_is_not_trusted_for_a_bundle_that_fails(signed: tuple[Path, Store], store: Store) -> None:
    path, far = signed
    flipped(path, content_at(path, weights_in(path)) + 800)
    with pytest.raises(BundleError, match="was changed: the weight file"):
        opened(far, path, trust=store.keys.own())
    assert leaves_nothing(far) and far.keys.trusted() == {}


def test_an_unsigned_deed_in_a_trusted_bundle_is_refused_where_signatures_are_wanted(
    store: Store, build: HeldBuild, far: Store, tmp_path: Path
) -> None:
    store.keys.create()
    path = made(store, tmp_path / "house.tar").path
    far.keys.create()
    with pytest.raises(DeedSignatureError, match=r"has no signature.*It came in .*house\.tar") as caught:
        opened(far, path, trust=store.keys.own())
    assert "`freehold deed sign --all` there" in caught.value.hint
    assert far.builds() == () and far.keys.trusted() == {}


def test_a_makers_public_key_in_a_file_is_trusted_too(signed: tuple[Path, Store], store: Store) -> None:
    path, far = signed
    assert opened(far, path, trust=str(store.keys.public_path)).maker.state == "valid"


def test_another_maker_than_the_one_asked_for_is_refused(signed: tuple[Path, Store], tmp_path: Path) -> None:
    path, far = signed
    other = Store(tmp_path / "other").keys
    other.create()
    with pytest.raises(BundleError, match="and not by ed25519:"):
        opened(far, path, trust=other.own())
    with pytest.raises(BundleError, match=r"'nobody\.pub' is no fingerprint and no file"):
        opened(far, path, trust="nobody.pub")
    assert leaves_nothing(far)


def test_an_unsigned_bundle_is_refused_where_signatures_are_wanted(bundle: Path, far: Store) -> None:
    with pytest.raises(BundleError, match="is not signed, and ed25519:00 was to have signed it"):
        opened(far, bundle, trust="ed25519:00")
    far.keys.create()
    with pytest.raises(BundleError, match="is not signed, and this house wants a signature"):
        opened(far, bundle)
    assert far.builds() == ()


def test_a_manifest_with_somebody_elses_signature_is_refused(signed: tuple[Path, Store], bundle: Path) -> None:
    path, far = signed
    envelope, members = taken_apart(path)
    put_together(path, envelope["manifest"] | {"freehold": "9"}, members, envelope)
    with pytest.raises(BundleError, match=r"The signature of .* is not what ed25519:.* made of this manifest"):
        opened(far, path)
    assert leaves_nothing(far)


def test_a_signature_with_another_field_is_refused(signed: tuple[Path, Store]) -> None:
    path, far = signed
    envelope, members = taken_apart(path)
    envelope["signature"]["by"] = "somebody"
    put_together(path, envelope["manifest"], members, envelope)
    with pytest.raises(BundleError, match="has other fields than one has"):
        opened(far, path)
    assert leaves_nothing(far)


def redone(bundle: Path, change: Callable[[Deed], Deed], tmp_path: Path) -> Path:
    """The bundle with another deed, its seals and every hash of the manifest made anew."""
    envelope, members = taken_apart(bundle)
    name = deed_in(bundle)
    (tmp_path / "deed.json").write_bytes(dict(members)[name])
    deed = change(read_deed(tmp_path / "deed.json"))
    data = (canonical(document(deed)) + "\n").encode()
    return put_together(bundle, envelope["manifest"], [(n, data if n == name else d) for n, d in members])


def stated(**fields: Any) -> Callable[[Deed], Deed]:
    return lambda deed: Deed(replace(deed.statement, **fields), deed.labels)


def test_a_deed_that_lies_about_its_files_is_refused(bundle: Path, far: Store, tmp_path: Path) -> None:
    facts = read_facts(bundle, tmp_path)
    redone(bundle, stated(facts=replace(facts, context_length=1 << 20)), tmp_path)
    with pytest.raises(BundleError, match="says of its files what they do not say themselves: context length"):
        opened(far, bundle)
    assert leaves_nothing(far)


def read_facts(bundle: Path, tmp_path: Path) -> Any:
    (tmp_path / "read.json").write_bytes(dict(taken_apart(bundle)[1])[deed_in(bundle)])
    return read_deed(tmp_path / "read.json").facts


def test_a_deed_that_names_what_is_not_there_is_refused(bundle: Path, far: Store, tmp_path: Path) -> None:
    redone(bundle, stated(texts=(TextFile("LICENSE", 1, "a" * 64, "x"),)), tmp_path)
    with pytest.raises(BundleError, match="names a file that is not there: papers/LICENSE"):
        opened(far, bundle)
    assert leaves_nothing(far)


def test_a_file_that_no_deed_names_is_refused(bundle: Path, far: Store) -> None:
    envelope, members = taken_apart(bundle)
    folder = deed_in(bundle).removesuffix("deed.json")
    put_together(bundle, envelope["manifest"], [*members, (f"{folder}config.json", b"{}")])
    with pytest.raises(BundleError, match=r"does not name a file that is there: config\.json"):
        opened(far, bundle)
    assert leaves_nothing(far)


def test_other_bytes_than_the_deed_names_are_refused(bundle: Path, far: Store) -> None:
    envelope, members = taken_apart(bundle)
    other = [(name, b"x" if name.endswith(".gguf") else data) for name, data in members]
    put_together(bundle, envelope["manifest"], other)
    with pytest.raises(BundleError, match=r"names other bytes than the manifest: Tiny\.Q4_1\.gguf"):
        opened(far, bundle)
    assert leaves_nothing(far)


def test_the_deed_of_another_build_is_refused(bundle: Path, far: Store) -> None:
    envelope, members = taken_apart(bundle)
    old = deed_in(bundle).split("/")[1]
    put_together(bundle, envelope["manifest"], [(name.replace(old, "0" * 64), data) for name, data in members])
    with pytest.raises(BundleError, match="is the deed of another build"):
        opened(far, bundle)
    assert leaves_nothing(far)


def test_a_deed_that_was_changed_and_hashed_anew_is_refused(bundle: Path, far: Store) -> None:
    envelope, members = taken_apart(bundle)
    name = deed_in(bundle)
    other = [(n, d.replace(b'"verdict":"clean"', b'"verdict":"clear"') if n == name else d) for n, d in members]
    assert other != members
    put_together(bundle, envelope["manifest"], other)
    with pytest.raises(BundleError, match=r"is refused\. It was changed after it was written"):
        opened(far, bundle)
    assert leaves_nothing(far)


def test_labels_that_point_elsewhere_are_refused(bundle: Path, far: Store, tmp_path: Path) -> None:
    places = {"Tiny.Q4_1.gguf": "/data/Tiny.Q4_1.gguf"}
    redone(bundle, lambda deed: replace(deed, labels=replace(deed.labels, places=places)), tmp_path)
    with pytest.raises(BundleError, match="has labels that no bundle has"):
        opened(far, bundle)
    assert leaves_nothing(far)


def test_a_deed_whose_signature_is_forged_is_refused(signed: tuple[Path, Store], store: Store, tmp_path: Path) -> None:
    path, far = signed
    far.keys.trust(store.keys.public_path)
    envelope, members = taken_apart(path)
    name = deed_in(path)
    (tmp_path / "deed.json").write_bytes(dict(members)[name])
    deed = read_deed(tmp_path / "deed.json")
    forged = replace(Deed(replace(deed.statement, license="mit"), deed.labels), signature=deed.signature)
    data = (canonical(document(forged)) + "\n").encode()
    put_together(path, envelope["manifest"], [(n, data if n == name else d) for n, d in members])
    with pytest.raises(DeedSignatureError, match="one of the two is forged"):
        opened(far, path)
    assert far.builds() == ()


def test_weights_that_no_engine_may_open_are_refused(store: Store, far: Store, tmp_path: Path) -> None:
    build = take_in(store, weights(tmp_path / "t.gguf"))
    path = made(store, tmp_path / "house.tar").path
    envelope, members = taken_apart(path)
    hostile = build.files[0].read_bytes()[:-64]
    (tmp_path / "deed.json").write_bytes(dict(members)[deed_in(path)])
    deed = read_deed(tmp_path / "deed.json")
    file = replace(deed.files[0], size_bytes=len(hostile), sha256=sha256(hostile))
    new = Deed(replace(deed.statement, files=(file,), digest=f"sha256:{file.sha256}"), deed.labels)
    data = (canonical(document(new)) + "\n").encode()
    folder = f"builds/{file.sha256}"
    kept = [each for each in members if not each[0].startswith("builds/")]
    put_together(path, envelope["manifest"], [*kept, (f"{folder}/deed.json", data), (f"{folder}/t.gguf", hostile)])
    with pytest.raises(WeightsError, match=r"t\.gguf is truncated or its header lies.*It came in "):
        opened(far, path)
    assert leaves_nothing(far)


def test_what_the_house_does_not_permit_is_not_taken(bundle: Path, far: Store) -> None:
    def refuse(deed: Deed, vouched: bool) -> None:
        assert not vouched
        raise PolicyError(f"{deed.names[0]} is denied.")

    with pytest.raises(PolicyError, match="tiny:q4_1 is denied"):
        opened(far, bundle, permit=refuse)
    assert leaves_nothing(far)


def test_a_bundle_is_read_in_small_steps(tmp_path: Path) -> None:
    size = 64 << 20
    path = put_together(tmp_path / "large.tar", {"version": 1}, [(f"builds/{'0' * 64}/m.gguf", bytes(size))])
    tracemalloc.start()
    with path.open("rb") as file:
        read = sum(len(chunk) for _, chunks in unaided.Bundle(file).members() for chunk in chunks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == size and peak < 8 << 20


def test_a_build_that_changes_while_it_is_packed_leaves_no_bundle(
    store: Store, build: HeldBuild, tmp_path: Path
) -> None:
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    with pytest.raises(BuildChangedError, match="changed while it was being packed"):
        made(store, tmp_path / "house.tar")
    assert not list(tmp_path.glob("house.tar*"))


def test_a_place_that_cannot_be_written_says_so(store: Store, build: HeldBuild, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        made(store, tmp_path / "nowhere" / "house.tar")


def test_the_command_makes_and_opens(
    freehold: Terminal, build: HeldBuild, far: Store, tmp_path: Path, monkeypatch: Any
) -> None:
    code, out, _ = freehold("bundle", "make", "tiny", "-o", "house.tar", "--no-wheels")
    assert code == 0 and "1 build, no wheels, not signed: this house has no key" in out
    monkeypatch.setenv("FREEHOLD_HOME", str(far.layout.home))
    code, said = freehold.json("bundle", "open", "house.tar")
    assert code == 0 and said["signature"] == "missing"
    assert said["builds"] == [{"name": build.name, "digest": build.digest}]
    code, out, err = freehold("bundle", "open", "house.tar")
    assert (code, out.split(" is held")[0]) == (0, "tiny:q4_1")
    assert "Nobody signed this bundle" in err


def test_a_strangers_word_on_where_the_bytes_came_from_counts_for_nothing(
    freehold: Terminal, signed: tuple[Path, Store], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, far = signed
    path.unlink()
    deed = store.deed(store.find(parse("tiny")))
    files = tuple(replace(file, verified="named by catalog") for file in deed.files)
    claimed = {"repository": "HuggingFaceTB/SmolLM2-135M-Instruct", "license": "apache-2.0"}
    origin = replace(deed.statement.origin, asked="hf:org/tiny", provenance=claimed)
    lying = Deed(replace(deed.statement, files=files, origin=origin), deed.labels)
    write_deed(deed_of(store.find(parse("tiny"))), lying)
    store.sign(parse("tiny"))
    made(store, path)
    (tmp_path / "freehold.toml").write_text("[policy]\nrequire_verified = true\n")
    monkeypatch.setenv("FREEHOLD_HOME", str(far.layout.home))
    code, _, err = freehold("bundle", "open", str(path))
    assert code == 1 and "nobody named the hash of its files before they came" in err
    assert leaves_nothing(far)
    assert freehold("bundle", "open", str(path), "--trust", store.keys.own() or "")[0] == 0


def test_the_command_refuses_what_it_cannot_do(freehold: Terminal, build: HeldBuild, tmp_path: Path) -> None:
    assert freehold("bundle", "make", "-o", "house.tar")[0] == 2
    assert freehold("bundle", "make", "nothing", "-o", "house.tar", "--no-wheels")[0] == 1
    assert freehold("bundle", "make", "tiny", "-o", "h.tar", "--no-wheels", "--wheels-from", ".")[0] == 2
    code, _, err = freehold("bundle", "open", "nothing.tar")
    assert code == 3 and "nothing.tar cannot be read: No such file" in err


@pytest.mark.parametrize("there", ["a file", "a link to nowhere"])
def test_what_is_there_is_not_overwritten_unless_that_is_said(
    there: str, freehold: Terminal, build: HeldBuild, tmp_path: Path
) -> None:
    out = tmp_path / "house.tar"
    if there == "a file":
        out.write_text("another bundle")
    else:
        out.symlink_to("nowhere")
    words = ("bundle", "make", "tiny", "-o", "house.tar", "--no-wheels")
    code, _, err = freehold(*words)
    assert code == 2 and "house.tar is there already, and is left as it is.\nName another file, or replace" in err
    assert out.is_symlink() or out.read_text() == "another bundle"
    assert freehold(*words, "--force")[0] == 0
    assert taken_apart(out)[0]["manifest"]["builds"][0]["name"] == "tiny:q4_1"
    assert [path.name for path in tmp_path.glob("house.tar*")] == ["house.tar"]
    (tmp_path / "folder").mkdir()
    code, _, err = freehold("bundle", "make", "tiny", "-o", "folder", "--no-wheels", "--force")
    assert code == 2 and "folder is a folder.\nName a file in it: folder/house.tar" in err


def test_a_file_that_appears_while_the_bundle_is_written_stays(store: Store, build: HeldBuild, tmp_path: Path) -> None:
    out = tmp_path / "house.tar"

    class Another(Recorder):
        def advance(self, task: str, nbytes: int) -> None:
            out.write_text("another bundle")

    with pytest.raises(CallError, match="is there already"):
        make([build], None, out, store=store, progress=Another())
    assert out.read_text() == "another bundle" and not list(tmp_path.glob("house.tar.*"))


def test_wheels_that_cannot_be_had_leave_no_bundle(freehold: Terminal, build: HeldBuild, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = freehold("bundle", "make", "tiny", "-o", "house.tar", "--wheels-from", "empty")
    assert code == 3 and "pip could not fetch the wheels of requirements.lock" in err and "--no-wheels" in err
    assert not list(tmp_path.glob("house.tar*"))


def test_the_program_in_the_bundle_says_for_which_python_its_wheels_are(bundle: Path, tmp_path: Path) -> None:
    envelope, members = taken_apart(bundle)
    (tmp_path / "open.py").write_bytes(dict(members)["open.py"])

    def said() -> str:
        command = [sys.executable, "-I", str(tmp_path / "open.py"), str(bundle), "--into", str(tmp_path / "venv")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 3 and not (tmp_path / "venv").exists()
        return done.stderr

    assert "has no wheels. Install Freehold in another way" in said()
    put_together(bundle, envelope["manifest"] | {"wheels": {"python": "2.7", "platform": "linux-vax"}}, members)
    assert "has wheels for Python 2.7 on linux-vax; this is Python 3." in said()


def test_a_key_that_is_not_the_one_asked_for_is_told_alike_of_bundles_and_backups() -> None:
    with pytest.raises(BundleError, match=r"house.tar is signed by ed25519:a, and not by ed25519:b") as refused:
        require_key("ed25519:a", "ed25519:b", Path("house.tar"))
    assert "bundle" not in refused.value.message + refused.value.hint
