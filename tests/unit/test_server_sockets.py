"""A runtime folder in which nothing can be written ends the start with its name, not with a trace."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from freehold.core.errors import AddressInUseError, StoreError
from freehold.server.sockets import control_socket, only_house


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


def test_a_control_socket_that_cannot_be_made_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"), control_socket(tmp_path / "absent"):
        pass


def test_a_second_house_is_told_the_process_of_the_first(tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused = pytest.raises(AddressInUseError, match=f"process {os.getpid()}")
    with only_house(run, tmp_path), refused, only_house(run, tmp_path):
        pass
