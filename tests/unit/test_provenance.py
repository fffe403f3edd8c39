"""What a file says of its license and lineage, against the catalog that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.catalog.licenses.shelf import Licenses
from freehold.store.provenance import check_provenance
from freehold.weights.gguf import check_gguf
from tests.gguf_bytes import STRING
from tests.hostile.gguf_files import sound

CATALOG = Catalog.load()
LICENSES = Licenses.load()
HUB = "https://huggingface.co/"


def found(folder: Path, sha256: str | None = None, **metadata: str) -> tuple[str | None, list[str]]:
    path = folder / "m.gguf"
    keys = {f"general.{key}": (STRING, value) for key, value in metadata.items()}
    path.write_bytes(sound(keys, without=[] if "license" in metadata else ["general.license"]))
    look = check_gguf(path)
    assert look.findings == ()
    model, findings = check_provenance(look, sha256, CATALOG, LICENSES)
    return model.name if model else None, [finding.check for finding in findings]


def test_a_file_that_the_catalog_does_not_know_is_left_alone(tmp_path: Path) -> None:
    assert found(tmp_path, name="Nobody's model", license="mit") == (None, [])


@pytest.mark.parametrize("name", ["Gemma 3 270M", "gemma-3-270m", "GEMMA_3_270m"])
def test_a_file_is_known_by_the_name_it_gives_itself(name: str, tmp_path: Path) -> None:
    assert found(tmp_path, name=name, license="gemma") == ("gemma-3-270m", [])


def test_a_file_is_known_by_its_hash_whatever_it_calls_itself(tmp_path: Path) -> None:
    entry = next(entry for entry in CATALOG.entries() if entry.model.name == "smollm2-135m-instruct")
    assert found(tmp_path, entry.build.sha256, name="x", license="apache-2.0") == ("smollm2-135m-instruct", [])


@pytest.mark.parametrize("license", ["mit", "apache-2.0", "llama3.1", "something of its own"])
def test_another_license_than_the_publishers_is_for_a_person_to_look_at(license: str, tmp_path: Path) -> None:
    assert found(tmp_path, name="gemma-3-270m", license=license) == ("gemma-3-270m", ["provenance.license"])


def test_the_spelling_of_a_license_does_not_matter(tmp_path: Path) -> None:
    assert found(tmp_path, name="smollm2-135m-instruct", license="Apache-2.0")[1] == []


def test_a_license_that_is_not_stated_is_said_and_changes_no_verdict(tmp_path: Path) -> None:
    assert found(tmp_path, name="gemma-3-270m")[1] == ["provenance.unstated"]


def test_the_model_itself_and_what_it_was_made_from_are_its_bases(tmp_path: Path) -> None:
    model = CATALOG.model("llama-3.3-70b-instruct")
    for base in (model.repository, *(model.base_models or ())):
        known = CATALOG.get(base) if base else None
        repository = known.repository if known else base
        keys = {"name": model.name, "license": "llama3.3", "base_model.0.repo_url": f"{HUB}{repository}"}
        assert found(tmp_path, **keys) == (model.name, [])


def test_another_base_is_for_a_person_to_look_at(tmp_path: Path) -> None:
    keys = {
        "name": "llama-3.3-70b-instruct",
        "license": "llama3.3",
        "base_model.0.repo_url": f"{HUB}evil/Backdoored-70B",
    }
    assert found(tmp_path, **keys)[1] == ["provenance.base"]
