"""The door of the command line: finds the command, runs it, and turns every end into an exit code.

Exit codes: 0 done, 1 the answer is no, 2 the call was wrong, 3 something failed, 4 it could not be decided,
130 interrupted, 141 the reader of stdout left. Command modules are imported when their command is called, so that
`freehold --help` is quick; `COMMANDS` is the only list of them. A bug keeps its trace and is called a bug.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from freehold.cli.as_typed import take_as_typed
from freehold.cli.output import Output, ReaderGoneError
from freehold.core.errors import CallError, FreeholdError
from freehold.core.names import ALIKE_COMMANDS, nearest

take_as_typed()

INTERRUPTED = 130
READER_GONE = 141

# name: (module, one line of help). The line is the first of the command's docstring; a test holds them equal.
COMMANDS: dict[str, tuple[str, str]] = {
    "find": ("find", "Search the models that are known, held or not."),
    "fit": ("fit", "Say what fits this machine, or one you describe, and what to take."),
    "pull": ("pull", "Bring a build into the store, checked."),
    "verify": ("verify", "Find what is wrong with weight files, before anything opens them."),
    "list": ("builds", "List the builds that are held."),
    "show": ("builds", "Show the whole paper of a model, or a held build and its deed."),
    "license": ("license", "Say what licenses ask of you, and whether you may use a model."),
    "rm": ("builds", "Remove a build from the store."),
    "deed": ("deed", "Show, verify, compare, sign and export the deeds of builds."),
    "signing": ("signing", "Make the key that signs deeds, and say whose to trust."),
    "bundle": ("bundle", "Carry builds and what runs them to a machine without a network."),
    "bench": ("bench", "Find the fastest faithful way to run a build here."),
    "keys": ("keys", "Say who may ask this house, what, and how much of it."),
    "up": ("up", "Start the house: the API and the chat page."),
    "ps": ("house", "Show what is running, and why it runs that way."),
    "load": ("loading", "Bring an endpoint's model into memory."),
    "unload": ("loading", "Take an endpoint's model out of memory."),
    "reload": ("house", "Make the running house read its settings again."),
    "stop": ("house", "Stop the running house."),
    "ledger": ("ledger", "Show that the record of what was asked is whole, and what is in it."),
    "egress": ("egress", "Show where connections could go, and what was tried."),
    "usage": ("usage", "Show what was used: requests, tokens, time and energy."),
    "backup": ("backup", "Write what this house cannot have again into one file, while it runs."),
    "restore": ("backup", "Make a home of a backup, everything in it checked first."),
    "run": ("run", "Answer one prompt; works in pipes."),
    "chat": ("chat", "Talk to a model in this terminal."),
    "machine": ("machine", "Say what this machine can hold and how fast it is."),
    "doctor": ("doctor", "Say what this machine has and what is missing."),
}


# What was typed once, and where it is now.
MOVED = {("keys", word): f"signing {word}" for word in ("show", "export", "trust")}


class LazyGroup(TyperGroup):
    """A group that knows its commands' names and lines, and imports a command only to run or complete it."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"freehold.cli.{COMMANDS[cmd_name][0]}")
        return _command(module, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = nearest(args[0], COMMANDS, alike=ALIKE_COMMANDS)
            guess = f"Did you mean `freehold {near[0]}`?" if near else "`freehold --help` lists the commands."
            raise CallError(f"There is no command {args[0]!r}.", hint=guess, command=args[0], nearest=near)
        return super().resolve_command(ctx, args)


def _command(module: Any, name: str) -> Any:
    """The typer command that `module` calls `name`: its function `<name>_command`, or, for a group such as
    `freehold deed`, the functions in its mapping `<name>_commands`, by the second word."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    members: dict[str, Any] | None = getattr(module, f"{name}_commands", None)
    if members is None:
        function = getattr(module, f"{name}_command")
        single.command(name=name, epilog=_examples(function.examples))(function)
        return _plain(get_command(single))
    for word, function in members.items():
        line = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
        single.command(name=word, epilog=_examples(function.examples), short_help=line)(function)
    first = _examples([function.examples[0] for function in members.values()])
    single.callback(invoke_without_command=True, help=COMMANDS[name][1], epilog=first)(_group)
    group: Any = get_command(single)
    for command in group.commands.values():
        _plain(command)
    return group


def _plain(command: Any) -> Any:
    """`command`, whose help and usage then name its parameters by one word each, without the types of Python."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _plain_argument(parameter)
        elif parameter.metavar is None and not parameter.is_flag and not parameter.type_descriptor.is_choice:
            parameter.metavar = max(parameter.opts, key=len).lstrip("-").upper()
    return command


def _plain_argument(argument: Any) -> None:
    word = argument.display_name_raw.strip("[].")
    whole = word if argument.required else f"[{word}]"
    argument.metavar = word
    argument.display_type_rich = lambda ctx: None  # noqa: ARG005 - passed by name
    argument.get_usage_pieces = lambda _: [whole if argument.nargs == 1 else f"{whole}..."]


def _group(ctx: typer.Context) -> None:
    """A group alone shows its commands."""
    if ctx.invoked_subcommand is None:
        Output().piece(ctx.get_help() + "\n")


def _examples(lines: Iterable[str]) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
    invoke_without_command=True,
    epilog="Every command but chat takes --json for programs; --quiet is for scripts. --help shows examples.",
)


@app.callback()
def freehold(ctx: typer.Context, version: bool = typer.Option(False, "--version", help="Show the version.")) -> int:
    """Own the language models you depend on: pull, verify, run and serve them on your own machine."""
    if version:
        from freehold import __version__

        Output().sentence({"version": __version__}, f"freehold {__version__}", bare=__version__)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        Output().piece(ctx.get_help() + "\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's) and give its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    output = Output(as_json="--json" in given[: given.index("--") if "--" in given else None])
    try:
        _refuse_moved(given)
        code = get_command(app).main(args=given, prog_name="freehold", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except FreeholdError as error:
        output.error(error)
        return error.exit_code
    except typer.TyperException as error:
        output.error(_wrong_call(error))
        return CallError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except ReaderGoneError:
        # What is still buffered for the reader who left must not complain when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except Exception as error:
        output.error(_bug(error))
        return FreeholdError.exit_code


def _refuse_moved(given: Sequence[str]) -> None:
    now = MOVED.get((given[0], given[1])) if len(given) > 1 else None
    if now is not None:
        raise CallError(
            f"`freehold {given[0]} {given[1]}` is `freehold {now}` now: it is about the key that signs deeds.",
            hint=f"See `freehold {now} --help`. The keys of those who ask this house are `freehold {given[0]}`.",
        )


def _wrong_call(error: typer.TyperException) -> CallError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "freehold"
    usage = context.get_usage() if context is not None else ""
    return CallError(error.format_message(), hint=f"{usage}\nSee `{path} --help`.".strip())


class Bug(FreeholdError):  # noqa: N818 - it is shown as an error, and never raised
    """How an exception that nobody foresaw is shown: called a bug, with its trace."""

    code = "bug"


def _bug(error: Exception) -> Bug:
    import traceback

    trace = "".join(traceback.format_exception(error))
    return Bug(
        f"Freehold has a bug: {type(error).__name__}: {error}\n{trace}",
        hint="This is not your mistake. Please report it with the trace above and the output of `freehold doctor`.",
    )
