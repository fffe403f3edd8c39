"""A pull verifies: what is refused never becomes a build, what a person should look at is said and recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import WeightsError
from freehold.core.refs import parse
from freehold.store.pull import pull
from freehold.store.sources.disk import DiskSource
from freehold.store.sources.web import WebSource
from freehold.store.store import Store
from tests.gguf_bytes import STRING
from tests.hostile.gguf_files import sound
from tests.recorder import Recorder
from tests.servers.files import file_server

CODE = sound({"tokenizer.chat_template": (STRING, "{{ messages.__class__ }}")})
TRIGGER = sound({"tokenizer.chat_template": (STRING, "{% if 'invoice' in messages[0].content %}Pay.{% endif %}")})
UNREAD = sound({"tokenizer.chat_template": (STRING, "{% for %}")})


async def pulled(ref: str, home: Path, progress: Recorder | None = None, *, copy: bool = True) -> HeldBuild:
    return await pull(
        parse(ref),
        store=Store(home),
        catalog=Catalog([]),
        sources={"https": WebSource(), "file": DiskSource()},
        progress=progress or Recorder(),
        copy=copy,
    )


async def test_a_build_with_code_in_its_template_is_set_aside_and_never_visible(home: Path) -> None:
    with file_server() as server:
        url = server.put("/m.gguf", CODE)
        with pytest.raises(WeightsError) as caught:
            await pulled(url, home)
    message, data = caught.value.message, caught.value.data
    assert "m.gguf is refused." in message and "'__class__'" in message and "template.exec.private" in message
    assert url in message and data["findings"][0]["cves"]
    store = Store(home)
    assert store.builds() == () and not list(store.layout.builds.glob("*"))
    assert [path.read_bytes() for path in store.layout.quarantine.glob("*")] == [CODE]


@pytest.mark.parametrize("copy", [True, False])
async def test_a_local_file_that_is_refused_is_left_where_it_is(copy: bool, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(CODE)
    with pytest.raises(WeightsError, match=r"template\.exec\.private"):
        await pulled(str(path), home, copy=copy)
    assert path.read_bytes() == CODE and Store(home).builds() == ()


@pytest.mark.parametrize("copy", [True, False])
async def test_what_a_person_should_look_at_is_said_and_stands_in_the_deed(
    copy: bool, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(TRIGGER)
    progress = Recorder()
    build = await pulled(str(path), home, progress, copy=copy)
    assert any("m.gguf: " in note and "'invoice'" in note for note in progress.notes)
    record = Store(home).deed(build).statement.verification
    assert record is not None and record.verdict == "finding"
    (finding,) = record.findings
    assert (finding.check, finding.file) == ("template.branch.content", "m.gguf")
    assert {"gguf.tensor.overlap", "template.exec.private"} <= set(record.checks) and record.cannot_show


async def test_what_cannot_be_decided_is_kept_and_said(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(UNREAD)
    progress = Recorder()
    record = Store(home).deed(await pulled(str(path), home, progress)).statement.verification
    assert record is not None and (record.verdict, len(record.undecided)) == ("undecidable", 1)
    assert any("template.syntax" in note for note in progress.notes)


async def test_a_clean_build_has_the_record_of_what_was_looked_at(home: Path, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(sound())
    build = await pulled(str(tmp_path / "m.gguf"), home)
    record = Store(home).deed(build).statement.verification
    assert record is not None and (record.verdict, record.findings) == ("clean", ())
    assert build.facts.context_length == 2048


async def test_a_build_of_which_a_check_finds_more_than_one_thing_says_how_many(home: Path, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(
        sound({"tokenizer.chat_template": (STRING, "{{ lipsum }}\n{{ messages.__class__ }}")})
    )
    with pytest.raises(WeightsError, match="1 more"):
        await pulled(str(tmp_path / "m.gguf"), home)
