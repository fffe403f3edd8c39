"""`freehold chat` driven through a real pseudo-terminal, on the fake engine at a speed a person could read."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PATIENCE_S = 30.0


class Terminal:
    """A child on a pseudo-terminal: type at it, wait for what it shows."""

    def __init__(self, arguments: list[str]) -> None:
        pid, self._fd = pty.fork()
        if pid == 0:
            environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
            os.execve(sys.executable, [sys.executable, "-m", "freehold", *arguments], environment)
        self.pid = pid
        self.screen = ""
        self._read_to = 0

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Wait until `pattern` shows after what was waited for last; gives what it matched."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            match = re.compile(pattern).search(self.screen, self._read_to)
            if match is not None:
                self._read_to = match.end()
                return match[0]
            self._read(deadline, pattern)

    def wait_for_prompt(self) -> None:
        self.wait_for(r"\n\r*> ")

    def end(self) -> int:
        """Wait until the child has ended; gives its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        with contextlib.suppress(EOFError):
            while True:
                self._read(deadline, "the end")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _read(self, deadline: float, wanted: str) -> None:
        ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"waited for {wanted!r}; the screen shows:\n{self.screen[-2000:]}"
        try:
            piece = os.read(self._fd, 65536)
        except OSError as error:
            raise EOFError from error
        if not piece:
            raise EOFError
        self.screen += re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>]|\][^\x07]*\x07)", "", piece.decode("utf-8", "replace"))


@pytest.fixture
def chat() -> Iterator[Terminal]:
    terminal = Terminal(["chat", "fake:demo?rate=200"])
    terminal.wait_for("fake:demo")
    terminal.wait_for_prompt()
    yield terminal
    terminal.close()


@pytest.fixture
def slow_chat() -> Iterator[Terminal]:
    terminal = Terminal(["chat", "fake:demo?rate=5&tokens=500"])
    terminal.wait_for("fake:demo")
    terminal.wait_for_prompt()
    yield terminal
    terminal.close()


def test_it_answers_tells_figures_and_leaves_no_process(chat: Terminal) -> None:
    chat.type("Hello\r")
    chat.wait_for_prompt()
    chat.type("/stats\r")
    figures = chat.wait_for(r"prompt \d+ tokens .* context \S+ of \S+\s+tokens")
    assert "answer" in figures
    workers = psutil.Process(chat.pid).children(recursive=True)
    assert workers
    chat.type("/exit\r")
    assert chat.end() == 0
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_ctrl_c_stops_the_answer_and_not_the_chat(slow_chat: Terminal) -> None:
    slow_chat.type("Tell a long story\r")
    slow_chat.wait_for(r"long story[\s\S]*?\n[a-z]+ [a-z]+ ")
    slow_chat.type("\x03")
    slow_chat.wait_for("Stopped")
    slow_chat.wait_for_prompt()
    slow_chat.type("/model\r")
    slow_chat.wait_for("context 8,192 tokens")
    slow_chat.wait_for_prompt()
    slow_chat.type("\x04")
    assert slow_chat.end() == 0


def test_commands_are_obeyed(chat: Terminal, tmp_path: Path) -> None:
    chat.type("/help\r")
    chat.wait_for("/retry")
    chat.wait_for_prompt()
    chat.type("/system Be brief.\r")
    chat.wait_for("System message set")
    chat.type("/set max_tokens 6\r")
    chat.wait_for("max_tokens = 6")
    chat.type("/set temprature 1\r")
    chat.wait_for("Did you mean temperature")
    chat.type("One\r")
    chat.wait_for_prompt()
    chat.type("/retry\r")
    chat.wait_for_prompt()
    file = tmp_path / "talk.json"
    chat.type(f"/save {file}\r")
    chat.wait_for("Saved")
    chat.type("/clear\r")
    chat.wait_for("Forgotten")
    chat.type(f"/load {file}\r")
    chat.wait_for("2 messages")
    chat.type("/nothing\r")
    chat.wait_for("There is no /nothing")
    chat.type("/exit\r")
    assert chat.end() == 0


def test_a_block_of_several_lines_is_one_message(chat: Terminal, tmp_path: Path) -> None:
    chat.type('"""\rone\rtwo\r"""\r')
    chat.wait_for_prompt()
    chat.type("/save block.json\r")
    chat.wait_for("Saved")
    assert '"one\\ntwo"' in (tmp_path / "block.json").read_text()
    chat.type("/exit\r")
    assert chat.end() == 0


def test_what_is_typed_is_kept_under_the_home_for_this_user_alone(chat: Terminal, home: Path) -> None:
    chat.type("remember me\r")
    chat.wait_for_prompt()
    chat.type("/exit\r")
    assert chat.end() == 0
    file = home / "chat_history"
    assert "remember me" in file.read_text() and file.stat().st_mode & 0o077 == 0


def test_a_pipe_is_sent_to_run() -> None:
    import subprocess

    command = [sys.executable, "-m", "freehold", "chat", "fake:demo"]
    done = subprocess.run(command, input="Hi", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "freehold run" in done.stderr


def test_another_model_that_cannot_answer_leaves_the_old_one(chat: Terminal) -> None:
    chat.type("/model fake:demo?rate=nonsense\r")
    chat.wait_for_prompt()
    chat.type("/model\r")
    chat.wait_for(r"fake:demo\?rate=200, context")


def test_a_question_that_failed_makes_way_for_a_command_and_comes_back() -> None:
    chat = Terminal(["chat", "fake:demo?rate=200&context=64"])
    try:
        chat.wait_for_prompt()
        chat.type("word " * 100 + "end\r")
        chat.wait_for("context")
        chat.wait_for(r"> word word[\s\S]*?end")
        chat.type("/model fake:demo?rate=200\r")
        chat.wait_for(r"Now fake:demo\?rate=200;")
        chat.wait_for(r"> word word[\s\S]*?end")
        chat.type("\r")
        chat.wait_for(r"\n\r*> ")
        chat.type("/stats\r")
        chat.wait_for(r"prompt \d+ tokens")
    finally:
        chat.close()
