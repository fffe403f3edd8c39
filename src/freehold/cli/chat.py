"""`freehold chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.arguments import Quiet, answering_names, examples
from freehold.cli.output import Output
from freehold.cli.permitting import Wish, permitted
from freehold.core.errors import CallError
from freehold.core.settings import load

Ref = Annotated[
    str | None,
    typer.Argument(metavar="[REF]", help="An endpoint, a build or a source.", autocompletion=answering_names),
]
System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="The system message.")]
Saved = Annotated[Path | None, typer.Option("--load", metavar="FILE", help="Go on with a saved conversation.")]
NoHistory = Annotated[bool, typer.Option("--no-history", help="Keep nothing of what is typed.")]


@examples(
    "freehold chat",
    "freehold chat smollm2-135m-instruct",
    'freehold chat openai:gpt-5 --system "Answer in one sentence."',
    "freehold chat --load talk.json",
)
def chat_command(
    ref: Ref = None, system: System = None, saved: Saved = None, no_history: NoHistory = False, quiet: Quiet = False
) -> int:
    """Talk to a model in this terminal.

    Asks the running house where REF is one of its endpoints, else starts a worker and ends it afterwards. Ctrl-C stops
    an answer, /help lists the commands.

    The ledger has two records of each answer, without a word of it: the house's where that answers, else a chain of its
    own beside it, and then nothing more is kept, whatever keep_content says. mode = "off" in [ledger] records nothing.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CallError("`freehold chat` needs a terminal.", hint="In a pipe use: freehold run REF")
    output = Output(quiet=quiet)
    talk = partial(_chat, ref, system, saved, keep_history=not no_history, output=output)
    permitted(lambda: asyncio.run(talk()), output, Wish())
    return 0


async def _chat(ref: str | None, system: str | None, saved: Path | None, *, keep_history: bool, output: Output) -> None:
    from freehold.cli.connect import connect_to_chat, usual_ref
    from freehold.cli.talk import conversation as conversations
    from freehold.cli.talk.session import ChatSession

    settings = load()
    talk = conversations.load(saved) if saved is not None else conversations.Conversation()
    talk.system = system or talk.system
    chosen = ref or usual_ref(settings)
    output.say(f"Opening {chosen} …")
    connection = await connect_to_chat(chosen, settings)
    session = ChatSession(connection, settings, talk, keep_history=keep_history)
    try:
        await session.run()
    finally:
        await session.close()
