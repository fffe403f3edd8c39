"""Errors in each dialect's shape, and the decisions at the door that need no socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freehold.core.errors import (
    ContextLengthError,
    FreeholdError,
    KeyRefusedError,
    LoadingError,
    NotFoundError,
    SettingsError,
    TooLargeError,
    UpstreamError,
    WorkerStartError,
)
from freehold.core.settings import Secret, ServerSettings
from freehold.gateway.access.access import Access
from freehold.gateway.access.book import KeyBook
from freehold.server.call import request_id
from freehold.server.errors import InternalError, anthropic_body, error_headers, openai_body
from freehold.server.security import refuse_open_address


@pytest.mark.parametrize(
    ("error", "openai_type", "anthropic_type"),
    [
        (ContextLengthError(20, 16), "invalid_request_error", "invalid_request_error"),
        (NotFoundError("model", "x"), "invalid_request_error", "not_found_error"),
        (KeyRefusedError("no"), "authentication_error", "authentication_error"),
        (TooLargeError("much"), "invalid_request_error", "request_too_large"),
        (UpstreamError("slow down", http_status=429), "rate_limit_error", "rate_limit_error"),
        (LoadingError("soon"), "server_error", "overloaded_error"),
        (InternalError(b"req_1"), "server_error", "api_error"),
    ],
)
def test_an_error_has_the_type_that_each_client_knows(
    error: FreeholdError, openai_type: str, anthropic_type: str
) -> None:
    assert openai_body(error)["error"]["type"] == openai_type
    assert anthropic_body(error, b"req_1")["error"]["type"] == anthropic_type


def test_an_error_carries_its_counts_its_field_and_its_stable_code() -> None:
    told = openai_body(ContextLengthError(20, 16))["error"]
    assert (told["code"], told["param"]) == ("context_length_exceeded", "messages")
    assert (told["prompt_tokens"], told["context_tokens"]) == (20, 16)


def test_a_remotes_own_code_and_its_wish_to_wait_reach_the_client() -> None:
    error = UpstreamError("no credit", http_status=429, code="insufficient_quota", retry_after="7")
    assert openai_body(error)["error"]["code"] == "insufficient_quota"
    assert (b"retry-after", b"7") in error_headers(error)


def test_a_header_is_never_made_of_what_a_remote_says_that_is_no_number() -> None:
    error = UpstreamError("x", http_status=429, retry_after="1\r\nset-cookie: a=b")
    assert [name for name, _ in error_headers(error)] == [b"x-should-retry"]


def test_a_workers_log_stays_in_the_house() -> None:
    error = WorkerStartError("build", "it said no", log="/secret/path")
    assert "/secret/path" not in str(openai_body(error))


@pytest.mark.parametrize(("error", "said"), [(LoadingError("soon"), b"true"), (InternalError(b"r"), b"false")])
def test_clients_are_told_whether_to_try_again(error: FreeholdError, said: bytes) -> None:
    assert (b"x-should-retry", said) in error_headers(error)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", ""])
def test_an_address_that_others_can_reach_needs_a_key(host: str, home: Path) -> None:
    book = KeyBook(home)
    with pytest.raises(SettingsError, match="FREEHOLD_API_KEY"):
        refuse_open_address(ServerSettings(host=host), Access(book, None))
    refuse_open_address(ServerSettings(host=host), Access(book, Secret("key")))
    book.create("ada")
    refuse_open_address(ServerSettings(host=host), Access(book, None))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_needs_none(host: str, home: Path) -> None:
    refuse_open_address(ServerSettings(host=host), Access(KeyBook(home), None))


def test_what_is_no_address_is_called_none_and_not_one_that_others_reach(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"256\.1\.1\.1 is not an address of this machine"):
        refuse_open_address(ServerSettings(host="256.1.1.1"), Access(KeyBook(home), None))


@pytest.mark.parametrize("given", [None, b"", b"a b", b"x" * 129, b"a\nb", "ü".encode()])
def test_an_id_that_could_spoil_a_header_or_a_log_is_replaced(given: Any) -> None:
    assert request_id(given).startswith(b"req_")
