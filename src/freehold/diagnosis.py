"""What this machine has, what is missing, and the command that mends it: the findings behind `freehold doctor`.

Every check looks at the real thing: the engine is loaded in a process of its own, because on a processor it was not
made for it would take this one down with it. Nothing leaves the machine unless `network` is asked for. A check that
cannot tell says unknown; it never says ok for something it did not see.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freehold import control
from freehold.app import build_house
from freehold.core import paths
from freehold.core.addresses import is_loopback
from freehold.core.errors import FreeholdError
from freehold.core.refs import ModelRef, PypiRef, parse
from freehold.core.settings import DEFAULT_MODEL, Settings
from freehold.engines.sandbox import house as sandbox
from freehold.hardware.accelerators import look
from freehold.hardware.machine import Machine
from freehold.hardware.probe import machine

Level = Literal["ok", "warn", "fail", "unknown"]
CHILD_TIMEOUT_S = 60.0
NETWORK_TIMEOUT_S = 30.0
# The smallest model with its context and the house itself; below it, loading is likely to push others out.
LOW_MEMORY_BYTES = 1_000_000_000
LOW_DISK_BYTES = 2_000_000_000
FEW_DAYS = 14
PYTHONS = ((3, 11), (3, 13))


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, how it is, what was seen, and the command that mends it."""

    name: str
    level: Level
    seen: str
    mend: str | None = None


def examine(settings: Settings, *, network: bool) -> Iterator[Finding]:
    """Every finding, as soon as it is known. `network` also asks the package index for the default model."""
    found = machine()
    yield _python()
    yield _processor(found)
    yield _memory(found)
    yield _accelerators()
    yield _disk(settings.home)
    yield _engine()
    yield _lock(settings)
    yield _egress(settings)
    yield _home(settings.home)
    yield _runtime_folder(settings.runtime_dir)
    yield _held(settings)
    yield _token(settings)
    yield _house_and_port(settings)
    yield _encryption(settings)
    yield (
        _index(settings)
        if network
        else Finding("package index", "unknown", "not asked", "freehold doctor --network asks it")
    )


def _python() -> Finding:
    version = sys.version.split()[0]
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Finding("python", "ok", f"{version} at {sys.executable}")
    return Finding("python", "warn", f"{version}; seen running on 3.11 to 3.13", "make run PYTHON=python3.12")


def _processor(found: Machine) -> Finding:
    cores = f"{found.usable_cores:g} of {found.logical_cores} cores usable, {found.architecture}"
    if found.architecture not in {"x86_64", "amd64"}:
        return Finding("processor", "ok", cores)
    if not found.cpu_flags:
        return Finding("processor", "unknown", f"{cores}; its instruction sets could not be read")
    known = [flag for flag in ("avx2", "fma", "f16c", "avx512f", "amx_int8") if flag in found.cpu_flags]
    if "avx2" in known:
        return Finding("processor", "ok", f"{cores}; {', '.join(known)}")
    return Finding("processor", "warn", f"{cores}; no AVX2, which the engine's fast kernels need")


def _memory(found: Machine) -> Finding:
    seen = f"{_gb(found.memory_available_bytes)} free of {_gb(found.memory_total_bytes)}"
    if found.memory_available_bytes >= LOW_MEMORY_BYTES:
        return Finding("memory", "ok", seen)
    return Finding("memory", "warn", seen, "end other programs, or take a smaller build")


def _accelerators() -> Finding:
    found = look()
    names = ", ".join(each.name for each in found.accelerators)
    if found.lines:
        return Finding("accelerators", "warn", names or "none can be used", " ".join(found.lines))
    return Finding("accelerators", "ok", names or "none; models run on the processor")


def _disk(home: Path) -> Finding:
    place = _nearest_folder(home)
    free = shutil.disk_usage(place).free
    seen = f"{_gb(free)} free at {place}"
    if free >= LOW_DISK_BYTES:
        return Finding("disk", "ok", seen)
    return Finding("disk", "warn", seen, "freehold rm REF, or set FREEHOLD_HOME to a larger disk")


def _engine() -> Finding:
    reinstall = f"{sys.executable} -m pip install --force-reinstall xllamacpp"
    try:
        done = _child("import importlib.metadata as m, xllamacpp; print(m.version('xllamacpp'))")
    except subprocess.TimeoutExpired:
        return Finding("engine", "fail", f"llama.cpp did not load within {CHILD_TIMEOUT_S:.0f} s", reinstall)
    if done.returncode == 0:
        return Finding("engine", "ok", f"llama.cpp loads (xllamacpp {done.stdout.strip()})")
    if done.returncode < 0:
        return Finding("engine", "fail", f"llama.cpp ended by {signal.Signals(-done.returncode).name} while loading")
    return Finding("engine", "fail", f"llama.cpp does not load: {_last_line(done.stderr)}", reinstall)


_LOCK_SCRIPT = """
import sys
from pathlib import Path
from freehold.engines.sandbox.lock import Grants, apply
report = apply(Grants(read=(), sockets=Path(sys.argv[1]), write=(Path(sys.argv[1]),)), policy="prefer")
print(report.line)
sys.exit(1 if report.missing else 0)
"""


def _lock(settings: Settings) -> Finding:
    """A child locks itself up as a worker does, and says what held."""
    with tempfile.TemporaryDirectory(prefix="fh-") as folder:
        try:
            done = _child(_LOCK_SCRIPT, folder)
        except subprocess.TimeoutExpired:
            return Finding("lock", "unknown", f"no answer within {CHILD_TIMEOUT_S:.0f} s")
    seen = done.stdout.strip()
    if done.returncode == 0:
        return Finding("lock", "ok", seen)
    level: Level = "fail" if settings.engine.lock == "require" else "warn"
    return Finding("lock", level, seen or _last_line(done.stderr), "a Linux kernel of 5.13 or newer has both parts")


def _egress(settings: Settings) -> Finding:
    """Whether this kernel can hold a house to its policy of egress."""
    restricted = settings.policy.egress is not None
    missing = sandbox.lacking()
    if missing:
        level: Level = "fail" if restricted else "warn"
        return Finding(
            "egress", level, "; ".join(missing), "a restricted house (--local-only) needs Linux 5.13 or newer"
        )
    can = "restricted by the policy" if restricted else "not restricted; --local-only would be held"
    return Finding("egress", "ok", f"{can}: {sandbox.line()}, on every thread, observed")


def _child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S, check=False)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


_OWN_HOME = "to pull, set FREEHOLD_HOME to a folder of your own"


def _home(home: Path) -> Finding:
    if home.is_dir() and os.access(home, os.R_OK | os.X_OK) and not os.access(home, os.W_OK):
        return Finding(
            "home", "warn", f"{home} is read-only: what is held can be used, nothing can be pulled", _OWN_HOME
        )
    return _writable("home", home, _OWN_HOME)


def _runtime_folder(folder: Path) -> Finding:
    if len(str(folder)) > paths.SOCKET_PATH_LIMIT_BYTES - 40:
        return Finding(
            "runtime folder", "fail", f"{folder} is too long for sockets", "set XDG_RUNTIME_DIR to a short path"
        )
    return _writable("runtime folder", folder, "set XDG_RUNTIME_DIR to a folder of your own")


def _writable(name: str, folder: Path, mend: str) -> Finding:
    place = _nearest_folder(folder)
    if os.access(place, os.W_OK | os.X_OK):
        made = "" if place == folder else ", made when it is needed"
        return Finding(name, "ok", f"{folder}{made}")
    return Finding(name, "fail", f"{place} cannot be written", mend)


def _held(settings: Settings) -> Finding:
    store = build_house(settings).store
    try:
        builds, problems = store.builds(), store.problems()
    except FreeholdError as error:
        return Finding("store", "fail", error.message, error.hint or None)
    if problems:
        return Finding(
            "store", "fail", f"{len(problems)} deeds cannot be read: {problems[0].message}", problems[0].hint
        )
    if not builds:
        return Finding("store", "warn", "nothing is held", f"freehold pull {DEFAULT_MODEL}")
    return Finding("store", "ok", f"{len(builds)} held, {_gb(sum(build.size_bytes for build in builds))}")


def _token(settings: Settings) -> Finding:
    if settings.hub.offline:
        return Finding("hub", "ok", "not asked: HF_HUB_OFFLINE is set")
    token = "a token is set" if settings.hub.token is not None else "no token: enough for what is not gated"
    return Finding("hub", "ok", f"{settings.hub.endpoint}, {token}")


def _house_and_port(settings: Settings) -> Finding:
    house = control.running(settings)
    if house is not None:
        return Finding("house", "ok", f"running at {house.address}, process {house.pid}")
    address = (settings.server.host, settings.server.port)
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return Finding(
                "house", "fail", f"not running, and {address[0]}:{address[1]}: {error.strerror}", "freehold up --port 0"
            )
    return Finding("house", "ok", f"not running; port {address[1]} is free")


def _encryption(settings: Settings) -> Finding:
    server = settings.server
    if server.tls_certificate is None:
        if is_loopback(server.host):
            return Finding("tls", "ok", "not set: only this machine reaches the house")
        mend = "set tls_certificate and tls_key in [server] of freehold.toml, or put a proxy before the house"
        return Finding("tls", "warn", f"not set, and {server.host} can be reached from other machines", mend)
    house = control.running(settings)
    shown = control.ps(settings)["tls"] if house is not None else None
    if shown is None:
        return Finding("tls", "unknown", f"{server.tls_certificate} is looked at when the house starts")
    if shown["problem"]:
        return Finding("tls", "warn", shown["problem"], "mend the files: they are read again when they change")
    days = (shown["until"] - time.time()) / 86_400
    seen = f"valid for {days:.0f} more days" if days > 0 else "it has expired"
    level: Level = "fail" if days <= 0 else "warn" if days < FEW_DAYS else "ok"
    return Finding("tls", level, seen, None if level == "ok" else f"renew {server.tls_certificate}")


def _index(settings: Settings) -> Finding:
    house = build_house(settings)
    source = parse(house.catalog.resolve(ModelRef(DEFAULT_MODEL))[1].source)
    assert isinstance(source, PypiRef), "the default model comes from a package index"
    try:
        plan = asyncio.run(asyncio.wait_for(house.sources["pypi"].plan(source), NETWORK_TIMEOUT_S))
    except FreeholdError as error:
        return Finding("package index", "fail", error.message, error.hint or None)
    except TimeoutError:
        return Finding("package index", "fail", f"no answer within {NETWORK_TIMEOUT_S:.0f} s", "see `pip config list`")
    return Finding("package index", "ok", f"has {plan.origin}")


def _nearest_folder(path: Path) -> Path:
    """`path` itself, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _gb(nbytes: float) -> str:
    return f"{nbytes / 1e9:.1f} GB"
