"""`freehold run`: one prompt, one answer, as plain text; made for pipes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.arguments import Json, Quiet, answering_names, examples
from freehold.cli.output import Output
from freehold.cli.permitting import Wish, permitted
from freehold.core.errors import CallError, UnsupportedError
from freehold.core.settings import load

if TYPE_CHECKING:
    from freehold.cli.connect import Connection
    from freehold.python.aio import AsyncStream
    from freehold.python.answers import Answer

Ref = Annotated[
    str, typer.Argument(metavar="REF", help="An endpoint, a build or a source.", autocompletion=answering_names)
]
Prompt = Annotated[str | None, typer.Argument(metavar="PROMPT", help="What to ask; stdin comes before it.")]
System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="The system message.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", metavar="N", min=1, help="Stop after N tokens.")]
Temperature = Annotated[float | None, typer.Option("--temperature", metavar="T", min=0.0, help="0 is greedy.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Make sampling repeatable.")]
SchemaFile = Annotated[
    Path | None, typer.Option("--schema", metavar="FILE", help="A JSON Schema that the answer must follow.")
]


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: str
    system: str | None
    schema: Mapping[str, Any] | None
    fields: Mapping[str, Any]


@examples(
    'freehold run smollm2-135m-instruct "Why is the sky blue?"',
    'cat report.txt | freehold run smollm2-135m-instruct "Summarize this."',
    'freehold run ./model.gguf "Name a color." --schema color.json --json',
    'freehold run openai:gpt-5 "Hello"',
)
def run_command(  # noqa: PLR0913 - the parameters are the command's options; typer reads them from here
    ref: Ref,
    prompt: Prompt = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    seed: Seed = None,
    schema: SchemaFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Answer one prompt; works in pipes.

    Asks the running house where REF is one of its endpoints, else starts a worker and ends it afterwards. What is piped
    in comes before PROMPT. The answer streams to stdout.

    The ledger has two records of it, without a word of prompt or answer: the house's where that answers, else a chain
    of its own beside it, and then nothing more is kept, whatever keep_content says. mode = "off" in [ledger] records
    nothing.
    """
    fields = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    question = _Question(_whole_prompt(prompt), _argument(system, "--system"), _read_schema(schema), fields)
    output = Output(as_json=as_json, quiet=quiet)
    permitted(lambda: asyncio.run(_run(ref, question, output)), output, Wish())
    return 0


def _whole_prompt(prompt: str | None) -> str:
    piped = "" if sys.stdin.isatty() else _utf8(sys.stdin.buffer.read(), "stdin").replace("\r\n", "\n")
    parts = [part for part in (piped.rstrip("\n"), _argument(prompt, "PROMPT")) if part]
    if not parts:
        raise CallError("There is no prompt.", hint='Give one: freehold run REF "prompt", or pipe text in.')
    return "\n\n".join(parts)


def _argument(text: str | None, name: str) -> str | None:
    """What was typed. Bytes of an argument that are no UTF-8 arrive as surrogates (PEP 383)."""
    return None if text is None else _utf8(text.encode("utf-8", "surrogateescape"), name)


def _utf8(data: bytes, name: str) -> str:
    """`data` as text. Raises CallError with the place, from 0, of the first byte that is no UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CallError(
            f"{name} is not UTF-8 (byte {error.start}).",
            hint="For text in Latin-1 or windows-1252: `iconv -f windows-1252 -t utf-8`",
            param=name,
            byte=error.start,
        ) from error


def _read_schema(file: Path | None) -> Mapping[str, Any] | None:
    if file is None:
        return None
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallError(f"The schema {file} cannot be read: {error}.", file=str(file)) from error
    if not isinstance(schema, dict):
        raise CallError(f"The schema {file} is not a JSON object.", file=str(file))
    return schema


async def _run(ref: str, question: _Question, output: Output) -> None:
    from freehold.cli.connect import connect

    connection = await connect(ref, load())
    async with connection.model:
        stream = _ask(connection, question)
        async with stream:
            async for delta in stream:
                if not output.as_json:
                    output.piece(delta.text)
        _finish(stream.answer, connection, output)


def _ask(connection: Connection, question: _Question) -> AsyncStream:
    """A chat where the model can; else the prompt is continued, which is all that a base model does."""
    fields = dict(question.fields)
    if connection.chats:
        return connection.model.stream(question.prompt, system=question.system, schema=question.schema, **fields)
    if question.system is not None:
        raise UnsupportedError(
            f"{connection.name} is a base model without a chat template, so it takes no system message.",
            param="system",
            hint="Leave --system out: the prompt is continued as it stands.",
        )
    if question.schema is not None:
        fields["json_schema"] = dict(question.schema)
    return connection.model.stream_completion(question.prompt, **fields)


def _finish(answer: Answer, connection: Connection, output: Output) -> None:
    if output.as_json:
        output.document(answer_json(answer, connection.name, connection.digest))
        return
    if not answer.text.endswith("\n"):
        output.piece("\n")
    if answer.finish_reason == "length":
        output.say("The answer was cut: it reached --max-tokens or the end of the context.")
    for call in answer.tool_calls:
        output.say(f"The model asks for the tool {call.name} with {call.arguments}.")


def answer_json(answer: Answer, name: str, served: str | None = None) -> dict[str, object]:
    """What programs get to know of an answer; null is unknown. `served` is the digest that a running house named."""
    return {
        "model": name,
        "text": answer.text,
        "reasoning": answer.reasoning,
        "finish_reason": answer.finish_reason,
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "cached_tokens": answer.usage.cached_tokens,
        },
        "timings": answer.timings,
        "digest": answer.digest or served,
    }
