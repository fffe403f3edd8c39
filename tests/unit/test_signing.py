"""Keys and signatures: who may vouch for a deed, what is made of each signature, which keys are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.core.errors import DeedSignatureError, HouseKeyError
from freehold.core.settings import Secret
from freehold.store.deeds.canonical import canonical, parsed
from freehold.store.deeds.record import Deed, Signature
from freehold.store.deeds.signing import Keys
from tests.unit.test_deeds import DEED


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / "keys")
    made.create()
    return made


def signed(keys: Keys, deed: Deed = DEED) -> Deed:
    return replace(deed, signature=keys.sign(deed.sealed))


def test_a_house_without_a_key_signs_nothing_and_wants_no_signature(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    assert (keys.has_own, keys.own(), keys.trusted(), keys.refuses_unsigned) == (False, None, {}, False)
    keys.require(DEED)
    keys.require_signer()
    with pytest.raises(HouseKeyError, match="has no key") as caught:
        keys.sign(DEED.sealed)
    assert "freehold signing create" in caught.value.hint
    assert not keys.folder.exists()


def test_the_private_key_is_its_owners_alone_and_is_never_shown(keys: Keys) -> None:
    assert keys.private_path.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" in keys.private_path.read_bytes()
    assert keys.export().startswith("-----BEGIN PUBLIC KEY-----")
    assert keys.own() is not None and str(keys.own()).startswith("ed25519:") and len(str(keys.own())) == 40


def test_what_the_house_signs_is_valid_and_the_same_every_time(keys: Keys) -> None:
    deed = signed(keys)
    assert keys.state(deed) == "valid"
    keys.require(deed)
    assert keys.sign(DEED.sealed) == deed.signature  # RFC 8032: no randomness in it


def test_labels_are_not_signed(keys: Keys) -> None:
    deed = signed(keys)
    assert keys.state(replace(deed, labels=replace(deed.labels, names=("other:name",)))) == "valid"


def test_a_missing_signature_is_refused_once_the_house_has_a_key_and_says_how_to_mend_it(keys: Keys) -> None:
    with pytest.raises(DeedSignatureError, match="has no signature, and this house wants one") as caught:
        keys.require(DEED)
    assert "freehold deed sign m:q4_1" in caught.value.hint
    assert caught.value.data["state"] == "missing"


def test_what_becomes_of_unsigned_deeds_can_be_decided(keys: Keys, tmp_path: Path) -> None:
    Keys(keys.folder, unsigned="accept").require(DEED)
    with pytest.raises(DeedSignatureError, match="has no signature"):
        Keys(tmp_path / "none", unsigned="refuse").require(DEED)


def test_a_wrong_signature_is_refused_whatever_was_decided(keys: Keys) -> None:
    forged = replace(DEED, signature=Signature(str(keys.own()), "0" * 128))
    for chosen in (keys, Keys(keys.folder, unsigned="accept")):
        with pytest.raises(DeedSignatureError, match="forged or damaged"):
            chosen.require(forged)


def test_a_signature_of_another_statement_is_wrong(keys: Keys) -> None:
    other = Deed(replace(DEED.statement, license="mit"), DEED.labels, signed(keys).signature)
    assert keys.state(other) == "wrong"


def test_a_strangers_key_is_named_until_it_is_trusted(keys: Keys, tmp_path: Path) -> None:
    stranger = Keys(tmp_path / "theirs")
    stranger.create()
    deed = signed(stranger)
    assert keys.state(deed) == "unknown key"
    with pytest.raises(DeedSignatureError, match=f"signed by {stranger.own()}, a key this house does not trust"):
        keys.require(deed)
    (tmp_path / "theirs.pem").write_text(stranger.export())
    assert keys.trust(tmp_path / "theirs.pem") == stranger.own()
    keys.require(deed)
    assert list(keys.trusted()) == [stranger.own()]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(DEED.sealed.encode()) - 1), bits=st.integers(1, 255))
def test_any_changed_byte_of_a_signed_statement_is_refused(keys: Keys, at: int, bits: int) -> None:
    text = bytearray(DEED.sealed.encode())
    text[at] ^= bits
    try:
        statement = canonical(parsed(bytes(text)))
    except ValueError:  # no statement at all: reading refuses it, as the tests of deeds show
        return
    deed = signed(keys)
    assert keys.state(Deed(deed.statement, deed.labels, deed.signature, statement)) == "wrong"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 127), digit=st.sampled_from("0123456789abcdefABCDEFg \n"))
def test_any_changed_digit_of_a_signature_is_refused(keys: Keys, at: int, digit: str) -> None:
    deed = signed(keys)
    assert deed.signature is not None
    value = deed.signature.value
    changed = value[:at] + digit + value[at + 1 :]
    expected = "valid" if changed == value else "wrong"
    assert keys.state(replace(deed, signature=replace(deed.signature, value=changed))) == expected


def test_a_second_key_is_not_made_over_the_first(keys: Keys) -> None:
    before = keys.private_path.read_bytes()
    with pytest.raises(HouseKeyError, match="holds a key of this house already"):
        keys.create()
    assert keys.private_path.read_bytes() == before


def test_a_passphrase_closes_the_key_and_is_in_no_message(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys", passphrase=Secret("correct horse"))
    keys.create()
    assert b"ENCRYPTED" in keys.private_path.read_bytes()
    assert keys.state(signed(keys)) == "valid"
    closed = Keys(keys.folder)
    assert closed.state(signed(keys)) == "valid"  # checking needs no secret
    with pytest.raises(HouseKeyError, match="is encrypted") as caught:
        closed.require_signer()
    assert "FREEHOLD_KEY_PASSPHRASE_FILE" in caught.value.hint
    with pytest.raises(HouseKeyError, match="does not open with the passphrase given") as caught:
        Keys(keys.folder, passphrase=Secret("battery staple")).sign("x")
    assert "staple" not in str(caught.value)


def test_a_passphrase_in_the_environment_does_not_hinder_a_key_without_one(keys: Keys) -> None:
    assert keys.state(signed(Keys(keys.folder, passphrase=Secret("unused")))) == "valid"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_signs_nothing(keys: Keys, mode: int) -> None:
    keys.private_path.chmod(mode)
    with pytest.raises(HouseKeyError, match=f"mode {mode:04o}") as caught:
        keys.require_signer()
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_named(keys: Keys, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pem").write_bytes(content)
    with pytest.raises(HouseKeyError, match=r"x\.pem is not a public key"):
        keys.trust(tmp_path / "x.pem")
    keys.private_path.write_bytes(content)
    with pytest.raises(HouseKeyError, match=r"house\.key cannot be read as a key"):
        keys.require_signer()
    keys.public_path.write_bytes(content)
    with pytest.raises(HouseKeyError, match=r"house\.pub is not a public key"):
        keys.require(DEED)


def test_a_key_of_another_kind_is_refused(keys: Keys, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    other = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "x.pem").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(HouseKeyError, match="another kind than Ed25519"):
        keys.trust(tmp_path / "x.pem")


@pytest.mark.parametrize("phrase", ["", "x" * 1024, "é" * 600, "\ud800"])
def test_a_passphrase_that_closes_nothing_leaves_no_key_behind(tmp_path: Path, phrase: str) -> None:
    """An empty file in the place of a key would be a key that nobody can use, and a wish for signatures."""
    keys = Keys(tmp_path / "keys", passphrase=Secret(phrase))
    with pytest.raises(HouseKeyError, match="FREEHOLD_KEY_PASSPHRASE cannot close a key") as caught:
        keys.create()
    assert phrase == "" or phrase not in f"{caught.value.message}{caught.value.hint}{caught.value.__cause__}"
    assert not keys.has_own
    Keys(keys.folder, passphrase=Secret("x" * 1023)).create()


KILLED_WHILE_IT_CREATES = """
import os, sys
from pathlib import Path
from freehold.store import durable
from freehold.store.deeds.signing import Keys

left, replace = int(sys.argv[2]), Path.replace
def replacing(self, target):
    global left
    if not left:
        os.kill(os.getpid(), 9)
    left -= 1
    return replace(self, target)
Path.replace = replacing
Keys(Path(sys.argv[1])).create()
"""


@pytest.mark.parametrize("written", [0, 1])
def test_a_kill_at_any_moment_of_making_a_key_leaves_none_or_one_that_is_finished(tmp_path: Path, written: int) -> None:
    keys = Keys(tmp_path / "keys")
    command = [sys.executable, "-c", KILLED_WHILE_IT_CREATES, str(keys.folder), str(written)]
    assert subprocess.run(command, check=False).returncode == -9
    assert (keys.private_path.exists(), keys.public_path.exists()) == (written == 1, False)
    before = keys.private_path.read_bytes() if written else None
    name = keys.create()
    assert before in (None, keys.private_path.read_bytes())
    assert keys.own() == name and keys.state(signed(keys)) == "valid"


def test_two_that_make_a_key_at_once_make_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "freehold", "signing", "create", "--quiet"]
    environment = os.environ | {"FREEHOLD_HOME": str(tmp_path)}
    makers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    said = [maker.communicate()[0].strip() for maker in makers]
    assert sorted(maker.returncode for maker in makers) == [0, 3, 3, 3]
    assert Keys(tmp_path / "keys").own() == max(said)
    assert Keys(tmp_path / "keys").sign("x").key == max(said)


def test_rights_do_not_follow_the_umask(tmp_path: Path) -> None:
    other = Keys(tmp_path / "other")
    other.create()
    (tmp_path / "other.pem").write_text(other.export())
    before = os.umask(0)
    try:
        keys = Keys(tmp_path / "keys")
        keys.create()
        keys.trust(tmp_path / "other.pem")
    finally:
        os.umask(before)
    rights = {path.name: path.stat().st_mode & 0o777 for path in (keys.folder, *keys.folder.rglob("*"))}
    stranger = f"{str(other.own()).partition(':')[2]}.pub"
    assert rights == {
        "keys": 0o755,
        "house.key": 0o600,
        "house.pub": 0o644,
        "house.lock": 0o600,
        "trusted": 0o755,
        stranger: 0o644,
    }


@pytest.mark.parametrize("what", ["house.pub", "."])
def test_a_key_that_every_account_can_write_is_not_believed(keys: Keys, what: str) -> None:
    deed = signed(keys)
    (keys.folder / what).chmod(0o777)
    with pytest.raises(HouseKeyError, match="can be written by every account") as caught:
        keys.require(deed)
    assert "chmod go-w" in caught.value.hint


def test_a_house_that_others_can_write_says_so(keys: Keys) -> None:
    assert keys.exposed is None
    keys.folder.parent.chmod(0o775)
    assert keys.exposed == keys.folder.parent


@pytest.mark.parametrize("target", ["house.pub", "nowhere"])
def test_a_link_to_nowhere_is_not_the_same_as_no_key(tmp_path: Path, target: str) -> None:
    """Keys on a disk that is not mounted: nothing is opened unsigned because of it."""
    keys = Keys(tmp_path / "keys")
    keys.folder.mkdir()
    keys.public_path.symlink_to(target)
    with pytest.raises(HouseKeyError, match=r"house\.pub cannot be read"):
        keys.require(DEED)


def test_a_folder_of_keys_that_cannot_be_reached_is_not_the_same_as_no_key(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.folder.symlink_to(tmp_path / "not mounted")
    with pytest.raises(HouseKeyError, match="keys cannot be read"):
        keys.require(DEED)
    keys.folder.unlink()
    keys.folder.write_text("")
    with pytest.raises(HouseKeyError, match="keys cannot be read: Not a directory"):
        keys.require(DEED)


@pytest.mark.parametrize("garbage", ["text", "folder", "pipe"])
def test_garbage_among_trusted_keys_is_named_and_hinders_no_deed_of_the_house(keys: Keys, garbage: str) -> None:
    path = keys.folder / "trusted" / "odd.pub"
    path.parent.mkdir()
    if garbage == "text":
        path.write_text("?")
    elif garbage == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    keys.require(signed(keys))
    with pytest.raises(HouseKeyError, match=r"odd\.pub") as caught:
        keys.state(replace(DEED, signature=Signature("ed25519:" + "0" * 32, "0" * 128)))
    assert f"move it out of {path.parent}" in caught.value.hint


def test_halves_of_two_keys_sign_nothing(keys: Keys, tmp_path: Path) -> None:
    other = Keys(tmp_path / "other")
    other.create()
    keys.public_path.write_text(other.export())
    with pytest.raises(HouseKeyError, match="halves of two keys"):
        keys.sign(canonical({}))


def test_a_public_half_alone_checks_and_does_not_sign(keys: Keys) -> None:
    deed = signed(keys)
    keys.private_path.unlink()
    keys.require(deed)
    with pytest.raises(HouseKeyError, match=r"house\.key cannot be read"):
        keys.require_signer()
