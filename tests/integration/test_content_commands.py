"""`freehold ledger show` and `erase` where something stands in their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.ledger.verify import verify
from tests.integration.house_process import running_house
from tests.integration.test_content_house import CHAT, HELLO, shown, toml, verdict
from tests.unit.test_deeds_cli import Terminal

freehold = pytest.fixture(lambda capsys: Terminal(capsys))


def test_a_house_opens_and_erases_nothing_of_a_ledger_that_it_does_not_write(
    tmp_path: Path, freehold: Terminal, home: Path
) -> None:
    other = toml().replace("[ledger]", f'[ledger]\nfolder = "{tmp_path}/audit"')
    for text in (other, toml()):
        with running_house(tmp_path, text) as house:
            assert house.ask("POST", CHAT, {"model": "small", **HELLO}, headers={"x-request-id": "one"}).status == 200
    with running_house(tmp_path, toml()):
        (tmp_path / "freehold.toml").write_text(other)  # as where the command is called in another folder
        for words in (["show", "one"], ["erase", "one", "--yes"]):
            code, _, err = freehold("ledger", *words, "--reason", "asked")
            assert code == 2 and "writes another ledger" in err
        (tmp_path / "freehold.toml").write_text(toml())
        assert shown(freehold, "one")["calls"]
    for folder, opened in ((home / "ledger", 1), (tmp_path / "audit", 0)):
        found = verify(folder)
        assert (found.erasures, len(found.accesses)) == ([], opened)
    assert verdict(home).findings == []
