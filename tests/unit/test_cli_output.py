"""What the command line prints, in each of its three manners."""

from __future__ import annotations

import io
import json

import pytest

from freehold.cli.output import Column, Output, ReaderGoneError, clean, size
from freehold.core.errors import FreeholdError, NotFoundError, WorkerStartError

COLUMNS = (Column("name", "NAME"), Column("size_bytes", "SIZE", size, right=True), Column("license", "LICENSE"))
ROWS = [
    {"name": "a:q4", "size_bytes": 98_362_432, "license": None, "digest": "sha256:00"},
    {"name": "longer:q8", "size_bytes": 1500, "license": "Apache-2.0", "digest": "sha256:11"},
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class GonePipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def _output(*, stdout: io.StringIO | None = None, as_json: bool = False, quiet: bool = False) -> Output:
    return Output(as_json=as_json, quiet=quiet, stdout=stdout or io.StringIO(), stderr=io.StringIO())


def test_people_see_unknown_where_a_value_is_missing_and_columns_line_up() -> None:
    stdout = io.StringIO()
    _output(stdout=stdout).table(COLUMNS, ROWS, empty="nothing")
    assert stdout.getvalue() == (
        "NAME          SIZE  LICENSE\na:q4       98.4 MB  unknown\nlonger:q8   1.5 kB  Apache-2.0\n"
    )


def test_programs_see_every_key_and_null_for_unknown() -> None:
    stdout = io.StringIO()
    _output(stdout=stdout, as_json=True).table(COLUMNS, ROWS, empty="nothing")
    assert json.loads(stdout.getvalue()) == ROWS


def test_scripts_see_bare_names() -> None:
    stdout = io.StringIO()
    _output(stdout=stdout, quiet=True).table(COLUMNS, ROWS, empty="nothing")
    assert stdout.getvalue() == "a:q4\nlonger:q8\n"


def test_an_empty_table_is_an_empty_list_for_programs_and_talk_for_people() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    Output(as_json=True, stdout=stdout, stderr=stderr).table(COLUMNS, [], empty="Nothing is held.")
    assert json.loads(stdout.getvalue()) == []
    Output(stdout=stdout, stderr=stderr).table(COLUMNS, [], empty="Nothing is held.")
    assert stderr.getvalue() == "Nothing is held.\n"


def test_no_control_character_reaches_a_pipe_from_a_table_or_a_terminal_from_a_model() -> None:
    pipe, terminal = io.StringIO(), Terminal()
    _output(stdout=pipe).table(COLUMNS, [{"name": "evil\x1b[2J", "size_bytes": 1, "license": "x"}], empty="")
    assert "\x1b" not in pipe.getvalue()
    _output(stdout=terminal).piece("red\x1b[31m\u202e text\n")
    assert terminal.getvalue() == "red[31m text\n"


def test_a_pipe_gets_a_models_text_byte_for_byte() -> None:
    pipe = io.StringIO()
    _output(stdout=pipe).piece("a\x1b[31mb")
    assert pipe.getvalue() == "a\x1b[31mb"


def test_color_is_for_terminals_and_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    colored = Terminal()
    Output(stdout=io.StringIO(), stderr=colored).error(FreeholdError("It broke.", hint="Mend it."))
    assert "\x1b[" in colored.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Output(stdout=io.StringIO(), stderr=plain).error(FreeholdError("It broke.", hint="Mend it."))
    assert "\x1b[31m" not in plain.getvalue() and "\x1b[1;31m" not in plain.getvalue()


def test_an_error_says_what_happened_and_what_to_do() -> None:
    stderr = io.StringIO()
    Output(stdout=io.StringIO(), stderr=stderr).error(NotFoundError("model", "smolm", nearest=("smollm2",)))
    assert stderr.getvalue() == ("error: There is no model named 'smolm'. Nearest: smollm2.\nDid you mean smollm2?\n")


def test_a_worker_that_did_not_start_shows_the_end_of_its_log() -> None:
    stderr = io.StringIO()
    log = "\n".join(f"line {number}" for number in range(40))
    Output(stdout=io.StringIO(), stderr=stderr).error(WorkerStartError("m:q4", "it ended", log=log))
    assert "  | line 39\n" in stderr.getvalue()
    assert "line 3\n" not in stderr.getvalue()


def test_programs_get_an_error_as_one_json_object_on_stderr() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    Output(as_json=True, stdout=stdout, stderr=stderr).error(NotFoundError("model", "x"))
    error = json.loads(stderr.getvalue())["error"]
    assert (error["code"], error["retryable"], error["data"]["name"]) == ("not_found", False, "x")
    assert stdout.getvalue() == ""


def test_a_reader_who_left_ends_the_command_without_a_word() -> None:
    with pytest.raises(ReaderGoneError):
        _output(stdout=GonePipe()).piece("text")


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (98_362_432, "98.4 MB"), (999_960_000, "1.0 GB"), (3e12, "3.0 TB")],
)
def test_sizes_are_in_powers_of_ten(nbytes: float, text: str) -> None:
    assert size(nbytes) == text


def test_no_cell_of_a_table_makes_a_row_of_its_own() -> None:
    stdout = io.StringIO()
    _output(stdout=stdout).table(COLUMNS[:1], [{"name": "odd\nsignature  ok\u2028all well"}], empty="")
    assert stdout.getvalue() == "NAME\nodd signature  ok all well\n"


@pytest.mark.parametrize("text", ["a\x9b2Jb", "a\u202eb", "a\x7fb", "a\x1b[2Jb"])
def test_no_manner_lets_a_text_drive_the_terminal(text: str) -> None:
    row = {"name": text}
    said = {}
    for manner in ("people", "json", "quiet"):
        stdout = Terminal()
        output = Output(stdout=stdout, stderr=io.StringIO(), as_json=manner == "json", quiet=manner == "quiet")
        output.table(COLUMNS[:1], [row], empty="")
        output.record(row, [("name", text)], bare=text)
        output.sentence(row, text, bare=text)
        said[manner] = stdout.getvalue()
    assert text[1] not in said["json"] + said["quiet"] + said["people"].replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert [json.loads(part) for part in said["json"].replace("]\n{", "]\0{").replace("}\n{", "}\0{").split("\0")] == [
        [row],
        row,
        row,
    ]


def test_clean_keeps_lines_tabs_and_every_script() -> None:
    assert clean("a\tb\nç 漢字 😀") == "a\tb\nç 漢字 😀"
