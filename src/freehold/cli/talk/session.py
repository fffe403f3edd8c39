"""The chat itself: asks, streams, obeys /commands. Ctrl-C stops an answer, never the chat.

An answer that failed takes its question back into the prompt, so nothing that was typed is lost; a /command typed
there does not become a part of it, and leaves it there to be asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from freehold.cli.connect import Connection, connect_to_chat
from freehold.cli.output import UNKNOWN, clean
from freehold.cli.talk import conversation as conversations
from freehold.cli.talk import typed
from freehold.cli.talk.conversation import Conversation
from freehold.cli.talk.interrupt import Interrupts
from freehold.cli.talk.markdown import MarkdownStream
from freehold.cli.talk.prompt import Prompt
from freehold.core.errors import CallError, FreeholdError
from freehold.core.settings import Settings
from freehold.python.answers import Answer

# Commands after which a question that failed is still worth asking: with another model, another field.
LEAVE_THE_QUESTION = frozenset({"help", "model", "system", "save", "set", "stats"})


class ChatSession:
    """One chat at one terminal. `close` ends the worker that it started."""

    def __init__(
        self, connection: Connection, settings: Settings, conversation: Conversation, *, keep_history: bool = True
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._conversation = conversation
        self._console = Console(highlight=False)
        self._last: Answer | None = None
        self._left = False
        self._failed = ""
        self._interrupts = Interrupts()
        history = settings.home / "chat_history" if keep_history else None
        self._prompt = Prompt(history_file=history, status=self._status)
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "help": self._help,
            "model": self._model,
            "system": self._system,
            "clear": self._clear,
            "retry": self._retry,
            "edit": self._edit,
            "save": self._save,
            "load": self._load,
            "set": self._set,
            "stats": self._stats,
            "exit": self._exit,
        }

    async def run(self) -> None:
        """Talk until the person leaves."""
        whose = " of the running house" if self._connection.shared else ""
        self._say(f"{self._connection.name}{whose}. Enter sends, Alt-Enter starts a new line, /help shows more.")
        async with self._interrupts:
            await self._until_left()

    async def _until_left(self) -> None:
        while not self._left:
            try:
                draft = self._conversation.draft
                line = await self._prompt.ask(draft, makes_way=bool(draft) and draft == self._failed)
            except KeyboardInterrupt:
                self._conversation.draft = self._failed = ""
                self._say("/exit or Ctrl-D leaves.")
                continue
            except EOFError:
                return
            try:
                await self._obey(line)
            except FreeholdError as error:
                self._say(f"{error.message} {error.hint}".strip(), style="red")

    async def close(self) -> None:
        await self._connection.model.close()

    async def _obey(self, line: str) -> None:
        wanted = typed.read(line)
        if wanted.command not in LEAVE_THE_QUESTION:
            self._conversation.draft = ""
        if wanted.command is not None:
            await self._commands[wanted.command](wanted.text)
        elif wanted.text:
            await self._ask(wanted.text)

    async def _ask(self, text: str) -> None:
        conversation = self._conversation
        conversation.ask(text)
        stream = self._connection.model.stream(
            list(conversation.messages), system=conversation.system, **conversation.fields
        )
        try:
            async with stream:
                with MarkdownStream(self._console) as shown:
                    async for delta in self._interrupts.until_stopped(stream):
                        shown.think(delta.reasoning)
                        shown.feed(delta.text)
        except FreeholdError:
            self._failed = conversation.take_back()
            raise
        self._failed = ""
        self._keep(stream.answer)

    def _keep(self, answer: Answer) -> None:
        """Put the answer, or what there is of it, into the conversation."""
        if self._interrupts.stopped:
            self._say("Stopped.")
            if not answer.text:
                self._conversation.take_back()
                return
        self._last = answer
        self._conversation.answer(answer.text)
        if answer.finish_reason == "length":
            self._say("Cut: the answer reached max_tokens or the end of the context.")

    async def _help(self, text: str) -> None:
        del text
        width = max(len(usage) for usage in typed.COMMANDS)
        for usage, meaning in typed.COMMANDS.items():
            self._console.print(Text(f"  {usage:<{width}}  {meaning}"))

    async def _model(self, text: str) -> None:
        if not text:
            self._say(f"{self._connection.name}, context {_known(self._connection.context_tokens)} tokens.")
            return
        opened = await connect_to_chat(text, self._settings)
        await self._connection.model.close()
        self._connection = opened
        self._say(f"Now {opened.name}; the conversation goes on.")

    async def _system(self, text: str) -> None:
        self._conversation.system = text or None
        self._say("System message set." if text else "No system message.")

    async def _clear(self, text: str) -> None:
        del text
        self._conversation.clear()
        self._last, self._failed = None, ""
        self._say("Forgotten.")

    async def _retry(self, text: str) -> None:
        del text
        await self._ask(self._failed or self._conversation.take_back())

    async def _edit(self, text: str) -> None:
        del text
        if self._failed:
            self._conversation.draft = self._failed
        else:
            self._conversation.take_back()
        self._failed = ""

    async def _save(self, text: str) -> None:
        file = _file(text, "/save")
        self._conversation.save(file, self._connection.name)
        self._say(f"Saved to {file}.")

    async def _load(self, text: str) -> None:
        self._conversation = conversations.load(_file(text, "/load"))
        self._failed = ""
        self._say(f"{len(self._conversation.messages)} messages.")

    async def _set(self, text: str) -> None:
        name, _, value = text.partition(" ")
        if name:
            self._conversation.set(name, value.strip())
        chosen = self._conversation.fields
        self._say(", ".join(f"{key} = {value}" for key, value in chosen.items()) or "All fields at their defaults.")

    async def _stats(self, text: str) -> None:
        del text
        if self._last is None:
            raise CallError("There is no answer yet.")
        usage = self._last.usage
        self._say(
            f"prompt {_known(usage.prompt_tokens)} tokens ({_known(usage.cached_tokens)} from the cache), "
            f"answer {_known(usage.completion_tokens)} tokens, speed {_speed(self._last)}, context {self._use()}"
        )

    async def _exit(self, text: str) -> None:
        del text
        self._left = True

    def _status(self) -> str:
        speed = f" · {_speed(self._last)}" if self._last is not None else ""
        return f" {self._connection.name} · context {self._use()}{speed}"

    def _use(self) -> str:
        """Tokens of the context that the conversation fills, as the engine counted them with the last answer."""
        whole = _known(self._connection.context_tokens)
        if self._last is None:
            return f"{whole} tokens"
        prompt, completion = self._last.usage.prompt_tokens, self._last.usage.completion_tokens
        used = UNKNOWN if prompt is None or completion is None else str(prompt + completion)
        return f"{used} of {whole} tokens"

    def _say(self, text: str, *, style: str = "dim") -> None:
        self._console.print(Text(clean(text), style=style))


def _file(text: str, command: str) -> Path:
    if not text:
        raise CallError(f"{command} needs a file.", hint=f"Example: {command} talk.json")
    return Path(text).expanduser()


def _known(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _speed(answer: Answer) -> str:
    measured = (answer.timings or {}).get("predicted_per_second")
    return f"{measured:.1f} tokens/s" if isinstance(measured, int | float) else f"speed {UNKNOWN}"
