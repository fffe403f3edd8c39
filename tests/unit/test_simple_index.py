"""Pages of package indexes, in both forms, sound and hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from packaging.version import Version

from freehold.store.sources.simple_index import NotAnIndexPageError, WheelLink, parse_page

URL = "https://index.example/simple/tiny/"
WHEEL = "tiny_model-1.2.0-py3-none-any.whl"
DIGEST = "ab" * 32


def from_json(*files: Any) -> tuple[WheelLink, ...]:
    return parse_page(json.dumps({"files": files}), "application/vnd.pypi.simple.v1+json", url=URL, index="i")


def from_html(text: str) -> tuple[WheelLink, ...]:
    return parse_page(text, "text/html; charset=utf-8", url=URL, index="i")


def test_both_forms_of_a_page_say_the_same() -> None:
    (one,) = from_json({"filename": WHEEL, "url": f"../../f/{WHEEL}", "hashes": {"sha256": DIGEST}, "yanked": "bad"})
    (other,) = from_html(f'<html><a href="../../f/{WHEEL}#sha256={DIGEST}" data-yanked="bad">{WHEEL}</a></html>')
    assert one == other
    assert one.url == f"https://index.example/f/{WHEEL}"
    assert (one.project, one.version, one.sha256, one.yanked) == ("tiny-model", Version("1.2.0"), DIGEST, True)


def test_a_base_and_escaped_names_are_followed() -> None:
    (found,) = from_html(
        '<html><base href="https://files.example/a/"><a href="x-1.0%2Bcpu-py3-none-any.whl">x</a></html>'
    )
    assert found.url == "https://files.example/a/x-1.0%2Bcpu-py3-none-any.whl"
    assert found.version == Version("1.0+cpu")


@pytest.mark.parametrize("name", ["tiny-1.0.tar.gz", "tiny.zip", "nonsense.whl", "../tiny-1.0-py3-none-any.whl", ""])
def test_what_is_not_a_wheel_is_left_out(name: str) -> None:
    assert from_json({"filename": name, "url": f"https://f.example/{name}", "hashes": {}}) == ()


@pytest.mark.parametrize("address", ["ftp://f.example/", "javascript:alert(1)//", "data:,"])
def test_addresses_that_are_neither_web_nor_file_are_left_out(address: str) -> None:
    assert from_html(f'<html><a href="{address}{WHEEL}">{WHEEL}</a></html>') == ()


@pytest.mark.parametrize("hashes", [None, {}, {"sha256": 5}, {"sha256": "short"}, {"md5": "0" * 32}])
def test_a_hash_that_is_none_is_unknown(hashes: Any) -> None:
    (found,) = from_json({"filename": WHEEL, "url": WHEEL, "hashes": hashes})
    assert found.sha256 is None


@pytest.mark.parametrize("size", [None, 0, -4, True, "12"])
def test_a_size_that_is_none_is_unknown(size: Any) -> None:
    (found,) = from_json({"filename": WHEEL, "url": WHEEL, "size": size})
    assert found.size_bytes is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": {}}'])
def test_json_that_is_no_page_is_refused(text: str) -> None:
    with pytest.raises(NotAnIndexPageError):
        parse_page(text, "application/vnd.pypi.simple.v1+json", url=URL, index="i")


def test_text_that_is_no_page_is_refused() -> None:
    with pytest.raises(NotAnIndexPageError, match="neither"):
        from_html("upstream timed out")


def test_an_address_that_is_none_is_left_out_and_hides_no_other() -> None:
    bad, good = f"http://[::bad/{WHEEL}", f"https://index.example/f/{WHEEL}"
    from_anchors = from_html(f'<html><base href="http://[::bad/"><a href="{bad}">x</a><a href="{good}">y</a></html>')
    from_files = from_json({"filename": WHEEL, "url": bad}, {"filename": WHEEL, "url": good})
    assert [wheel.url for wheel in from_anchors] == [wheel.url for wheel in from_files] == [good]
