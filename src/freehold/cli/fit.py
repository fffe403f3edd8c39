"""`freehold fit`: what a machine, this one or one you describe, can hold, how fast, and what to take."""

from __future__ import annotations

from typing import Annotated

import typer

from freehold.cli.arguments import Json, Quiet, examples, judging, shown_names
from freehold.cli.output import Output

Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A model, a held build, a file or a source; none asks for models.",
        autocompletion=shown_names,
    ),
]
On = Annotated[str | None, typer.Option("--on", metavar="MACHINE", help='A machine: "2x rtx-4090, 64GB".')]
Context = Annotated[int | None, typer.Option("--context", min=1, max=2**31, help="Tokens of context for each slot.")]
Slots = Annotated[int | None, typer.Option("--slots", min=1, max=100_000, help="How many requests at the same time.")]
CacheType = Annotated[str, typer.Option("--cache-type", metavar="TYPE", help="Type of the cache: f16, q8_0, q4_0 ...")]
Task = Annotated[str | None, typer.Option("--task", help="What for: chat, code, reasoning and other skills.")]
Needed = Annotated[
    str | None, typer.Option("--need", metavar="NEED", help='What it must do: "8 users, 16k context, 10 tok/s".')
]
AskEngine = Annotated[
    bool, typer.Option("--ask-engine", help="Ask the engine as well: 0.2 to 0.4 s for each build with a header.")
]

EXIT_CODES = {True: 0, False: 1, None: 4}


@examples(
    "freehold fit llama-3.3-70b-instruct",
    'freehold fit gemma-3-27b-it --context 131072 --on "2x rtx-4090, 64GB"',
    "freehold fit --task code",
    'freehold fit llama-3.3-70b-instruct --need "8 users, 16k context, 10 tok/s"',
)
def fit_command(  # noqa: PLR0913 - every option of a command is a parameter
    model: Model = None,
    on: On = None,
    context: Context = None,
    slots: Slots = None,
    cache_type: CacheType = "f16",
    task: Task = None,
    need: Needed = None,
    ask_engine: AskEngine = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Say what fits this machine, or one you describe, and what to take.

    A figure alone is exact; "≈" stands before an estimate, which is a range; what was measured says so. A need is met
    where the low end does. LOSS is how far answers are expected to move from those of the 16-bit model, in nats a token
    (KL divergence): 0.005 is hardly to be seen, 0.1 is. Several accelerators add memory, and no speed for one request:
    layers lie on one after the other. --ask-engine sets the engine's own word on its buffers beside the arithmetic;
    what it refuses does not fit, and the page says why in its words.
    Exit code 1: nothing fits that could be recommended; 4: it cannot be said.
    """
    from freehold.cli.page_fit import models_page, plan_page
    from freehold.python.fitting import Fitting, Question, fit

    with judging():
        found = fit(model, Fitting(on, Question(context, slots, cache_type.lower(), task, need), ask_engine))
    output = Output(as_json=as_json, quiet=quiet)
    if as_json:
        output.document(found)
    elif model is None:
        models_page(found, output)
    else:
        plan_page(found, output)
    return EXIT_CODES[found["fits"]]
