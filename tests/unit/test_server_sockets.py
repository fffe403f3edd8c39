"""A runtime folder in which nothing can be written ends the start with its name, not with a trace."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from freehold.core.errors import AddressInUseError, StoreError
from freehold.server.sockets import address_of, control_socket, only_house


def test_a_full_runtime_folder_is_named(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StoreError, match="runtime folder") as caught, only_house(tmp_path / "run", tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "run") in caught.value.message
    assert "XDG_RUNTIME_DIR" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "names", "address"),
    [
        ("0.0.0.0", None, "http://127.0.0.1"),
        ("::1", None, "http://[::1]"),
        ("models.example.org", ("models.example.org",), "https://models.example.org"),
        ("0.0.0.0", ("*.example.org", "models.example.org"), "https://models.example.org"),
        ("127.0.0.1", ("localhost", "127.0.0.1"), "https://127.0.0.1"),
        ("127.0.0.1", ("*.example.org",), "https://127.0.0.1"),
        ("127.0.0.1", (), "https://127.0.0.1"),
    ],
)
def test_the_address_is_one_that_the_certificate_names(host: str, names: tuple[str, ...] | None, address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert address_of(listener, host, names) == f"{address}:{listener.getsockname()[1]}"


def test_a_control_socket_that_cannot_be_made_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"), control_socket(tmp_path / "absent"):
        pass


def test_a_second_house_is_told_the_process_of_the_first(tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused = pytest.raises(AddressInUseError, match=f"process {os.getpid()}")
    with only_house(run, tmp_path), refused, only_house(run, tmp_path):
        pass
