"""The door of the command line: names, help, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from freehold import __version__
from freehold.cli import main as door
from freehold.cli.main import COMMANDS, LazyGroup, main


def test_every_command_loads_and_has_the_line_and_the_examples_that_help_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(COMMANDS) >= 11
    for name, (_, line) in COMMANDS.items():
        assert main([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert line in text, name
        assert f"freehold {name}" in text.split("Examples:")[1], name


def test_help_lists_every_command_and_loads_none() -> None:
    script = (
        "import sys; from freehold.cli.main import main; main(['--help']); "
        "heavy = {'rich', 'aiohttp', 'prompt_toolkit', 'pydantic', 'freehold.cli.chat', 'freehold.cli.up'}; "
        "sys.exit(sorted(heavy & set(sys.modules)).__repr__() if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_words_that_need_no_conversion_load_no_converter() -> None:
    script = (
        "import sys; from freehold.cli.main import main; "
        "code = main(['find', 'llama', '3.3', '--size', '>=70b', '--skill', 'code', '--json']); "
        "sys.exit(code or 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in json.loads(done.stdout)] == ["llama-3.3-70b-instruct"]


def test_numbers_are_still_converted_and_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "llama-3.3-70b-instruct", "--context", "many"]) == 2
    assert "'--context'" in capsys.readouterr().err
    assert main(["fit", "llama-3.3-70b-instruct", "--context", "0"]) == 2
    assert "greater than or equal to 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("group", "commands"), [("deed", 5), ("signing", 4), ("keys", 5), ("ledger", 6), ("bundle", 2)]
)
def test_a_group_alone_shows_its_commands_and_each_has_examples(
    group: str, commands: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([group]) == 0
    listed = capsys.readouterr().out.split("Commands:")[1].split("Examples:")[0]
    words = re.findall(r"^  (\S+)", listed, re.MULTILINE)
    assert len(words) == commands
    for word in words:
        assert main([group, word, "--help"]) == 0
        assert f"freehold {group} {word}" in capsys.readouterr().out.split("Examples:")[1]
    assert main([group, "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def _leaves() -> dict[str, Any]:
    """Every command that does something, by what is typed."""
    top = get_command(door.app)
    assert isinstance(top, LazyGroup)
    tops = {name: top.get_command(None, name) for name in COMMANDS}
    groups = {name: getattr(command, "commands", {"": command}) for name, command in tops.items()}
    return {f"{name} {word}".strip(): leaf for name, members in groups.items() for word, leaf in members.items()}


@pytest.mark.parametrize("word", ["show", "export", "trust"])
def test_what_was_typed_for_the_key_of_deeds_says_where_it_is_now(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", word]) == 2
    assert f"`freehold signing {word}`" in capsys.readouterr().err
    assert main(["signing", word, "--help"]) == 0


def test_help_names_parameters_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    for name in _leaves():
        assert main([*name.split(), "--help"]) == 0
        text = capsys.readouterr().out
        assert re.search(r"<(?:str|int|float|Path|list|int range|bool)\b", text) is None, name
        assert "{" not in text and "]]" not in text.partition("\n")[0], name
    assert main(["up", "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: freehold up [OPTIONS] [REF]...\n")
    assert main(["verify", "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: freehold verify [OPTIONS] PATH|NAME...\n")


def test_the_lines_of_a_group_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ("deed", "bundle", "keys", "signing", "ledger", "license"):
        assert main([group]) == 0
        listed = capsys.readouterr().out.split("Commands:")[1].split("Examples:")[0]
        assert "..." not in listed and max(map(len, listed.splitlines())) <= 80


def test_every_command_but_chat_takes_json() -> None:
    without = {name for name, leaf in _leaves().items() if not any("--json" in each.opts for each in leaf.params)}
    assert without == {"chat"}


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"freehold {__version__}\n"


def test_a_wrong_command_is_a_wrong_call_and_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pul"]) == 2
    assert "Did you mean `freehold pull`?" in capsys.readouterr().err


def test_a_command_that_looks_like_none_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frob"]) == 2
    told = capsys.readouterr().err
    assert "Did you mean" not in told and "`freehold --help` lists the commands." in told


def test_a_wrong_option_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "x", "--nmae", "y"]) == 2
    error = capsys.readouterr().err
    assert "--nmae" in error and "freehold pull --help" in error


def test_a_missing_argument_is_a_wrong_call_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "--json"]) == 2
    caught = capsys.readouterr()
    assert json.loads(caught.err)["error"]["code"] == "invalid_call"
    assert caught.out == ""


def test_a_reference_that_cannot_be_read_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "what/is/this"]) == 2
    assert "smollm2-135m-instruct" in capsys.readouterr().err


def test_a_bug_keeps_its_trace_and_is_called_a_bug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(door, "get_command", broken)
    assert main(["list"]) == 3
    error = capsys.readouterr().err
    assert "ZeroDivisionError: by nothing" in error and "Traceback" in error and "not your mistake" in error


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(door, "get_command", interrupted)
    assert main(["list"]) == 130


def test_the_group_knows_exactly_its_commands() -> None:
    group = get_command(door.app)
    assert isinstance(group, LazyGroup)
    assert group.list_commands(None) == list(COMMANDS)
    assert group.get_command(None, "nothing") is None


def test_a_reader_who_leaves_is_met_in_silence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, "-m", "freehold", "--version"]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("data", "arguments", "told"),
    [
        (b"caf\xe9 au lait", ["Hi"], "stdin is not UTF-8 (byte 3)."),
        (b"\x7fELF\x02\x01\x01\x00\x90\xff" * 50, [], "stdin is not UTF-8 (byte 8)."),
        (b"", [b"caf\xe9"], "PROMPT is not UTF-8 (byte 3)."),
        (b"", ["Hi", "--system", b"\xe9"], "--system is not UTF-8 (byte 0)."),
    ],
    ids=["Latin-1", "binary", "prompt", "system"],
)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_is_not_utf_8_is_a_wrong_call(data: bytes, arguments: list[str | bytes], told: str, locale: str) -> None:
    command = [sys.executable, "-m", "freehold", "run", "fake:demo", *arguments]
    done = subprocess.run(
        command, input=data, capture_output=True, env={**os.environ, "LC_ALL": locale}, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr.decode() and "iconv -f windows-1252 -t utf-8" in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("show", "llama-3.3-70b-instruct"),
        ("find", "llama"),
        ("license", "check", "olmo-2-1124-7b"),
        ("list",),
        ("verify", "."),
    ],
)
def test_commands_that_only_read_load_nothing_of_the_network(words: tuple[str, ...]) -> None:
    """Half of what `show` took was the import of a client that it never used."""
    program = (
        "import sys; from freehold.cli.main import main; main(sys.argv[1:]); "
        "print(sorted({'aiohttp', 'starlette', 'uvicorn', 'huggingface_hub'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_plan_for_one_model_loads_nothing_that_looks_elsewhere() -> None:
    """Three tenths of what `fit` took was the import of what it never used."""
    unused = {"asyncio", "ssl", "psutil", "freehold.catalog.openness", "freehold.weights.gguf"}
    unused |= {"freehold.hardware.devices", "freehold.trials"}
    program = (
        "import sys; from freehold.cli.main import main; main(sys.argv[1:]); "
        f"print(sorted({unused} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "fit", "llama-3.1-8b-instruct", "--on", "64GB", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
