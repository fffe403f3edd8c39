"""What is measured against what: a house, the fake engine alone, a bare relay, the raw engine, LiteLLM's proxy.

Each is a process of its own, started here and ended here, with a folder of its own. An arm that cannot be had raises
SkippedError with the reason, which goes into the result: no number is made up for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.harness.load import Address, Client
from freehold.core.refs import FakeRef, parse
from freehold.engines.fake.engine import Fake

PROGRAMS = Path(__file__).parent.parent / "programs"
REQUIREMENTS = Path(__file__).parent.parent / "litellm.requirements"
MODEL = "smollm2-135m-instruct"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0


class SkippedError(Exception):
    """This arm cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: where, and its process."""

    address: Address
    pid: int


def cache() -> Path:
    """Where the model and LiteLLM's environment are kept between runs: $FREEHOLD_BENCH_CACHE, or the user's cache."""
    import platformdirs

    named = os.environ.get("FREEHOLD_BENCH_CACHE")
    folder = Path(named) if named else platformdirs.user_cache_path("freehold-bench", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def weights() -> Path:
    """The embedded model's file, pulled once by Freehold itself."""
    from freehold.store.store import Store

    environment = {**os.environ, "FREEHOLD_HOME": str(home())}
    subprocess.run([str(freehold_command()), "pull", MODEL, "--quiet"], check=True, env=environment, stdout=sys.stderr)
    ref = parse(MODEL)
    return Store(home()).find(ref).files[0]


def home() -> Path:
    """The store that holds the embedded model for the benchmarks, once `weights` was called."""
    return cache() / "home"


@contextlib.asynccontextmanager
async def fake(reference: str) -> AsyncIterator[Running]:
    """The fake engine by itself, on its Unix socket."""
    ref = parse(reference)
    assert isinstance(ref, FakeRef), f"{reference} is not a fake"
    with folder_of_its_own() as folder:
        worker = Fake(runtime_dir=folder / "r", log_dir=folder / "log").worker(ref)
        await worker.start()
        try:
            pid = worker.report().pid
            assert pid is not None, "a started worker has a process"
            yield Running(Address(socket_path=worker.upstream.socket_path), pid)
        finally:
            await worker.stop()


@contextlib.asynccontextmanager
async def house(
    endpoint: str,
    *,
    engine: str = "",
    ledger: str = "",
    collector: Address | None = None,
    keep_content: str | None = None,
    home: Path | None = None,
    loaded: bool = True,
) -> AsyncIterator[Running]:
    """A house with one endpoint, `bench`, that points at `endpoint`; `engine` and `ledger` are lines of its tables of
    that name, `keep_content` is the endpoint's, `collector` is where it sends its traces and metrics.

    `home` is a store to use instead of an empty one. Without `loaded` it is yielded as soon as it listens.
    """
    with folder_of_its_own() as folder:
        settings = folder / "freehold.toml"
        told = f'[telemetry]\notlp = "http://127.0.0.1:{collector.port}"\n' if collector is not None else ""
        tables = f"[engine]\n{engine}\n[ledger]\n{ledger}\n{told}"
        row = f"ref = {json.dumps(endpoint)}"
        if keep_content is not None:
            row += f", keep_content = {json.dumps(keep_content)}"
        settings.write_text(f"{tables}[endpoints]\nbench = {{ {row} }}\n")
        environment = {**house_environment(folder), **({"FREEHOLD_HOME": str(home)} if home is not None else {})}
        command = [str(freehold_command()), "up", "--config", str(settings), "--port", "0", "--json"]
        async with process_of(command, environment, stdout=subprocess.PIPE) as process:
            address = await house_address(process)
            if loaded:
                await until_ready(address, "/health/ready", process)
            yield Running(address, process.pid)


async def house_address(process: asyncio.subprocess.Process) -> Address:
    """What `freehold up --json` says when it listens; lines that are not JSON (make's) are passed over."""
    assert process.stdout is not None, "its standard output is a pipe"
    async for line in process.stdout:
        if line.startswith(b"{"):
            parts = urlsplit(json.loads(line)["address"])
            return Address(host=parts.hostname or "127.0.0.1", port=parts.port or 80)
    raise SkippedError("the house did not start")


def freehold_command() -> Path:
    """The `freehold` that was installed beside this Python."""
    return Path(sys.executable).with_name("freehold")


def house_environment(folder: Path) -> dict[str, str]:
    """The environment of a house of its own: nothing of the user's is read or written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FREEHOLD_", "HF_"))}
    return {**kept, "FREEHOLD_HOME": str(folder / "home"), "XDG_RUNTIME_DIR": str(folder)}


@contextlib.asynccontextmanager
async def relay(upstream: Address) -> AsyncIterator[Running]:
    """The least a gateway could do, in the same libraries: Starlette, uvicorn and aiohttp passing bytes on."""
    async with _on_port("relay.py", [upstream.socket_path or ""], "/health") as running:
        yield running


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[Running]:
    """What takes traces and metrics and looks at none of them."""
    async with _on_port("collector.py", [], "/health") as running:
        yield running


@contextlib.asynccontextmanager
async def raw_engine(file: Path, settings: Mapping[str, int]) -> AsyncIterator[Running]:
    """llama.cpp's own server as xllamacpp starts it, on a port, without anything of Freehold."""
    async with _on_port("raw_engine.py", [str(file), json.dumps(dict(settings))], "/health") as running:
        yield running


@contextlib.asynccontextmanager
async def litellm(options: str, **more: float) -> AsyncIterator[Running]:
    """LiteLLM's proxy in its own environment, before a fake engine with `options`; `more` is told it of the model.
    Raises SkippedError."""
    python = await asyncio.to_thread(_litellm_python)
    with folder_of_its_own() as folder:
        async with _on_port("fake_on_tcp.py", [f"fake:bench?{options}"], "/health") as engine:
            config = folder / "litellm.json"  # YAML reads JSON
            url = f"http://127.0.0.1:{engine.address.port}/v1"
            parameters = {"model": "openai/bench", "api_base": url, "api_key": "none", **more}
            rows = [{"model_name": "bench", "litellm_params": parameters}]
            config.write_text(json.dumps({"model_list": rows}))
            port = free_port()
            command = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1"]
            command += ["--port", str(port), "--telemetry", "False"]
            # Fast by its own means: no log lines, its price list from the package instead of the network. Of our
            # environment it sees nothing: releases of it have stolen credentials (BerriAI/litellm #24518).
            environment = {
                "PATH": os.defpath,
                "HOME": str(folder),
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "ERROR",
                # Without a key, as a house on loopback: else its check of the key would be measured too.
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            }
            async with process_of(command, environment, stdout=subprocess.DEVNULL) as process:
                address = Address(port=port)
                await until_ready(address, "/health/liveliness", process)
                yield Running(address, process.pid)


@contextlib.asynccontextmanager
async def _on_port(program: str, words: Sequence[str], path: str) -> AsyncIterator[Running]:
    port = free_port()
    command = [sys.executable, str(PROGRAMS / program), str(port), *words]
    async with process_of(command, dict(os.environ), stdout=subprocess.DEVNULL) as process:
        address = Address(port=port)
        await until_ready(address, path, process)
        yield Running(address, process.pid)


@contextlib.asynccontextmanager
async def process_of(
    command: Sequence[str], environment: Mapping[str, str], *, stdout: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a group of its own, and all it started: ended together, because make passes no signal on."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def until_ready(address: Address, path: str, process: asyncio.subprocess.Process) -> None:
    """Wait until a GET of `path` is answered 200. Raises SkippedError where it never is, or the process ends."""
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _answers(address, request):
                if process.returncode is not None:
                    raise SkippedError(f"it ended with code {process.returncode} before it answered")
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise SkippedError(f"{path} was not answered within {START_TIMEOUT_S:g} s") from error


async def _answers(address: Address, request: bytes) -> bool:
    try:
        client = await Client.connect(address)
    except OSError:
        return False
    try:
        return (await client.ask(request)).status == 200
    except ConnectionError:
        return False
    finally:
        client.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def folder_of_its_own() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fhb-") as name:
        yield Path(name)


def _litellm_python() -> Path:
    folder = cache() / "litellm"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists() and done.read_text() == REQUIREMENTS.read_text():
        return python
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--no-deps", "-r", str(REQUIREMENTS)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise SkippedError(f"its environment could not be made: {made.stderr.strip().splitlines()[-1:]}")
    done.write_text(REQUIREMENTS.read_text())
    return python
