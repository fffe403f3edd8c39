"""The terminal chat's pure half: what is typed, the conversation, where a block of markdown ends."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from freehold.cli.talk import conversation as conversations
from freehold.cli.talk.conversation import FIELDS, Conversation
from freehold.cli.talk.markdown import MarkdownStream, finished_part
from freehold.cli.talk.typed import COMMANDS, Typed, is_open_block, read
from freehold.core.errors import CallError


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("hello", Typed(None, "hello")),
        ("/exit", Typed("exit", "")),
        ("/quit", Typed("exit", "")),
        (" /bye", Typed("exit", "")),
        ("  /model smollm2:q4_1 ", Typed("model", "smollm2:q4_1")),
        ("/system You are\nbrief.", Typed("system", "You are\nbrief.")),
        ("//etc is a path", Typed(None, "/etc is a path")),
        ("/ 2", Typed(None, "/ 2")),
        ('"""\none\ntwo\n"""', Typed(None, "one\ntwo")),
    ],
)
def test_a_line_is_text_or_a_command(line: str, meaning: Typed) -> None:
    assert read(line) == meaning


def test_a_command_that_is_none_names_the_nearest() -> None:
    with pytest.raises(CallError) as caught:
        read("/retyr")
    assert caught.value.hint == "Did you mean /retry?"


@pytest.mark.parametrize(
    ("text", "is_open"), [('"""', True), ('"""a\nb', True), ('"""a\n"""', False), ("a", False), ('""" a """', False)]
)
def test_a_block_is_open_until_three_quotes_close_it(text: str, is_open: bool) -> None:
    assert is_open_block(text) is is_open


def test_every_command_of_the_help_is_obeyed() -> None:
    from freehold.cli.talk.session import ChatSession

    known = {usage.split()[0].removeprefix("/") for usage in COMMANDS}
    assert len(known) == 11
    assert all(hasattr(ChatSession, f"_{name}") for name in known)


def test_a_question_can_be_taken_back_with_its_answer() -> None:
    talk = Conversation()
    talk.ask("one")
    talk.answer("first")
    talk.ask("two")
    assert talk.take_back() == "two"
    assert [message["content"] for message in talk.messages] == ["one", "first"]
    assert talk.take_back() == "one"
    assert talk.messages == [] and talk.draft == "one"
    with pytest.raises(CallError):
        talk.take_back()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("temperature", "0.2", 0.2), ("max_tokens", "20", 20), ("stop", "END", "END"), ("stop", '["a", "b"]', ["a", "b"])],
)
def test_a_field_is_set_and_taken_back(name: str, text: str, value: object) -> None:
    talk = Conversation()
    talk.set(name, text)
    assert talk.fields == {name: value}
    talk.set(name, "")
    assert talk.fields == {}


@pytest.mark.parametrize(("name", "text"), [("temperature", "warm"), ("max_tokens", "1.5"), ("seed", "true")])
def test_a_field_refuses_what_it_cannot_be(name: str, text: str) -> None:
    talk = Conversation()
    with pytest.raises(CallError) as caught:
        talk.set(name, text)
    assert name in caught.value.message and talk.fields == {}


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(CallError) as caught:
        Conversation().set("temprature", "1")
    assert "temperature" in caught.value.hint and "temperature" in FIELDS


def test_a_saved_conversation_is_this_users_alone_and_comes_back(tmp_path: Path) -> None:
    talk = Conversation(system="Be brief.", fields={"seed": 1})
    talk.ask("Où?")
    talk.answer("Ici.")
    file = tmp_path / "talk.json"
    talk.save(file, "fake:x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert conversations.load(file) == talk


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2, "messages": []}', '{"version": 1, "messages": [{"role": 1}]}']
)
def test_a_file_that_is_no_conversation_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(CallError) as caught:
        conversations.load(file)
    assert "other.json" in caught.value.message


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CallError):
        Conversation().save(tmp_path / "missing" / "talk.json", "m")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("one", ""),
        ("one\n\ntwo", "one\n\n"),
        ("one\n\n```py\na\n\nb", "one\n\n"),
        ("```py\na\n\nb\n```\n\nafter", "```py\na\n\nb\n```\n\n"),
        ("~~~~\n~~~\n\nstill code", ""),
        ("a\n  \nb\n\nc", "a\n  \nb\n\n"),
    ],
)
def test_a_block_ends_at_an_empty_line_outside_code(text: str, whole: str) -> None:
    assert text[: finished_part(text)] == whole


@given(st.lists(st.sampled_from(["word ", "\n", "\n\n", "\n```\n", "- item\n", "1. one\n"]), max_size=30))
def test_a_streamed_answer_shows_every_word_however_it_was_cut(pieces: list[str]) -> None:
    file = io.StringIO()
    with MarkdownStream(Console(file=file, width=80)) as stream:
        for piece in pieces:
            stream.feed(piece)
    assert file.getvalue().count("word") == "".join(pieces).count("word ")
