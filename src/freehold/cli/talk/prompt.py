"""The line where a person types (prompt_toolkit's seam): history, several lines, completion of /commands.

Enter sends, Alt-Enter starts a new line, three quotes open a block. The history is kept under the home, readable by
this user alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style

from freehold.cli.talk.typed import NAMES, is_open_block

STYLE = Style.from_dict({"prompt": "bold ansicyan", "bottom-toolbar": "noreverse ansibrightblack"})


class Prompt:
    """Asks for lines. `history_file` None keeps none; `status` gives the line below."""

    def __init__(self, *, history_file: Path | None, status: Callable[[], str]) -> None:
        self._session: PromptSession[str] = PromptSession(
            message=[("class:prompt", "> ")],
            prompt_continuation="… ",
            history=_history(history_file),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter(list(NAMES), sentence=True),
            complete_while_typing=False,
            key_bindings=_keys(),
            multiline=True,
            bottom_toolbar=status,
            style=STYLE,
        )

    async def ask(self, draft: str = "", *, makes_way: bool = False) -> str:
        """One entry, `draft` already typed; where it `makes_way`, a /command that is typed or pasted right behind it
        takes its place. Raises EOFError at Ctrl-D and KeyboardInterrupt at Ctrl-C."""
        buffer = self._session.default_buffer

        changes = itertools.count()

        def changed(_: Buffer) -> None:
            if next(changes) == 0 and buffer.text.startswith(draft + "/"):
                buffer.document = Document(buffer.text.removeprefix(draft))

        def listen() -> None:
            buffer.on_text_changed += changed

        try:
            return await self._session.prompt_async(
                default=draft, handle_sigint=False, pre_run=listen if makes_way else None
            )
        finally:
            buffer.on_text_changed -= changed


def _history(file: Path | None) -> History:
    if file is None:
        return InMemoryHistory()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    return FileHistory(str(file))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open_block(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
