"""The chat page's own routes: what they answer, what they refuse, and the policy they are served under."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from freehold.server.pages.markdown import MAX_TEXT_CHARS
from freehold.server.pages.routes import MAX_BODY_BYTES, STATIC, routes


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes())) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"{}", "text: Field required"),
        (b'{"text": 1}', "text"),
        (b'{"text": "a", "more": 1}', "more"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_it_is_about(client: TestClient, body: bytes, words: str) -> None:
    answer = client.post("/ui/markdown", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert words in answer.json()["error"]["message"]


def test_a_text_beyond_the_bound_is_refused(client: TestClient) -> None:
    assert client.post("/ui/markdown", json={"text": "a" * (MAX_TEXT_CHARS + 1)}).status_code == 400


def test_a_body_beyond_the_bound_is_refused_without_being_read_whole(client: TestClient) -> None:
    answer = client.post("/ui/markdown", content=b" " * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


def test_only_post_renders(client: TestClient) -> None:
    answer = client.get("/ui/markdown")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_text_is_rendered_in_its_two_parts(client: TestClient) -> None:
    answer = client.post("/ui/markdown", json={"text": "# A\n\n*b*\n"})
    assert answer.json() == {
        "settled_html": "<h1>A</h1>\n",
        "settled_lines": 2,
        "open_html": "<p><em>b</em></p>\n",
    }


def test_the_page_and_each_file_come_under_the_strict_policy(client: TestClient) -> None:
    files = [f"/static/{path.name}" for path in STATIC.iterdir()]
    assert len(files) > 15
    for path in ["/", *files]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/static/app.js").headers["etag"]
    again = client.get("/static/app.js", headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""


def test_nothing_outside_the_static_folder_is_served(client: TestClient) -> None:
    assert client.get("/static/%2e%2e/routes.py").status_code == 404


def test_the_page_names_no_other_host_and_holds_no_inline_script() -> None:
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path.name
        assert "https://" not in text, path.name
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert page.count("<script") == page.count('<script src="/static/') + page.count(
        '<script type="module" src="/static/'
    )
    assert "style=" not in page
    assert " onclick" not in page
