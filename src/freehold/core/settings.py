"""Settings: defaults, then `freehold.toml`, then `FREEHOLD_*`. The only file that reads the environment.

`load` reads everything once and reports every error together, each with its line. Secrets come from the
environment or from a file named by it (`NAME_FILE`), never from `freehold.toml`, and never show in a repr.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from freehold.core import paths
from freehold.core.admission_settings import AdmissionSettings, read_admission
from freehold.core.content_settings import read_keep_content
from freehold.core.errors import SettingsError
from freehold.core.log_settings import LogSettings, read_log
from freehold.core.memory_settings import MemorySettings, StaySettings, read_memory, read_stay
from freehold.core.organization import Organization, Policy, read_organization, read_policy
from freehold.core.refs import Reference
from freehold.core.secret import Secret as Secret
from freehold.core.settings_file import SettingsFile, read_file
from freehold.core.sign_on import SignOn as SignOn
from freehold.core.sign_on import read_sign_on
from freehold.core.telemetry_settings import TelemetrySettings as TelemetrySettings
from freehold.core.telemetry_settings import read_telemetry
from freehold.core.toml_reader import Problem, TableReader

DEFAULT_MODEL = "smollm2-135m-instruct"
CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""What a cache of keys and values may be kept in, as ggml names it."""
WORKLOADS = ("chat", "documents", "batch")
_log = logging.getLogger(__name__)


EngineName = Literal["llama.cpp", "openvino"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a person may set of a worker; None means the engine chooses and says why in `freehold ps`.

    `workload` (`for` in freehold.toml; None means chat) is what the endpoint is mostly for: the fastest way of running
    it that `freehold bench` found for that is used. `engine` sets the engine instead. `most_slots` nobody sets: where
    `slots` is None, as many are taken as memory holds, and that is the most of them.
    """

    engine: EngineName | None = None
    context_tokens: int | None = None
    slots: int | None = None
    threads: int | None = None
    batch_tokens: int | None = None
    cache_type: str | None = None
    prompt_cache_mib: int | None = None
    start_timeout_s: float = 120.0
    lock: str = "prefer"
    workload: str | None = None
    most_slots: int | None = None

    def over(self, base: EngineOptions) -> EngineOptions:
        """These options where they differ from the defaults, `base` elsewhere."""
        default = EngineOptions()
        changed = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if getattr(self, item.name) != getattr(default, item.name)
        }
        return dataclasses.replace(base, **changed)


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """One line of `[endpoints]`: a name that clients send as `model`, and what it points at. What it is asked and
    answers is kept for `keep_content_s`, None is not at all."""

    name: str
    ref: Reference
    key_env: str | None = None
    options: EngineOptions = EngineOptions()
    stay: StaySettings = field(default_factory=StaySettings)
    keep_content_s: float | None = None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`hosts` and `origins` are allowed in addition to loopback and the page's own origin. With `tls_certificate` (PEM,
    its chain with it) and `tls_key` only TLS is spoken."""

    host: str = "127.0.0.1"
    port: int = 8300
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    max_body_bytes: int = 32 * 1024 * 1024
    drain_s: float = 30.0
    api_key: Secret | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True)
class HubSettings:
    endpoint: str = "https://huggingface.co"
    token: Secret | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class DeedSettings:
    """What becomes of builds whose deed nobody known has signed. None: refused once the house has a key of its own."""

    unsigned: Literal["accept", "refuse"] | None = None


LedgerMode = Literal["strict", "relaxed", "off"]


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """`mode` says when a record counts: on the disk (strict), with the kernel (relaxed); off keeps no ledger. `folder`
    is where it lies; None is `ledger/` of the home."""

    mode: LedgerMode = "relaxed"
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured. `file` is the freehold.toml that was read, None if there is none.

    `endpoints` None means: none configured, so every held build is an endpoint under its model's name.
    `organization` None means: nobody said who the organization is; `sign_on` None: nobody's tokens are believed;
    `telemetry` None: nothing is sent.
    """

    home: Path
    runtime_dir: Path
    server: ServerSettings = ServerSettings()
    engine: EngineOptions = EngineOptions()
    memory: MemorySettings = field(default_factory=MemorySettings)
    hub: HubSettings = HubSettings()
    deeds: DeedSettings = DeedSettings()
    ledger: LedgerSettings = LedgerSettings()
    log: LogSettings = field(default_factory=LogSettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    sign_on: SignOn | None = None
    telemetry: TelemetrySettings | None = None
    organization: Organization | None = None
    policy: Policy = field(default_factory=Policy)
    endpoints: Mapping[str, EndpointSettings] | None = None
    file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ledger_folder(self) -> Path:
        return self.ledger.folder or self.home / "ledger"

    def secret(self, name: str) -> Secret | None:
        """The secret in environment variable `name`, or in the file that `name`_FILE points at."""
        return _secret(self.environment, name)


def load(
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    file: Path | None = None,
) -> Settings:
    """Read the settings. `file` (or FREEHOLD_CONFIG) names one; else the one in `folder` (default: the working
    folder), else the one in the user's config folder. Raises SettingsError with every problem in it."""
    env = dict(os.environ if environment is None else environment)
    chosen, text, data = read_file(env, folder or Path.cwd(), file)
    problems: list[Problem] = []
    settings = _from(TableReader(data, text, problems), env, chosen)
    if problems:
        problems.sort(key=lambda problem: problem.line or 0)
        lines = "\n".join(f"  line {p.line}: {p.text}" if p.line else f"  {p.text}" for p in problems)
        raise SettingsError(
            f"{chosen or 'The environment'} has {len(problems)} "
            f"{'error' if len(problems) == 1 else 'errors'}:\n{lines}\n",
            hint="Mend them all, then try again. Whether what endpoints point at is held is looked at after that.",
            problems=[dataclasses.asdict(problem) for problem in problems],
        )
    return settings


def load_despite_errors() -> Settings:
    """The settings with whatever of the file can be read: for what must work while the file is broken, such as
    stopping the house. Where nothing of it can be read a warning says so: it may say where the house lies. Raises
    SettingsError only where a secret's file cannot be read."""
    env = dict(os.environ)
    try:
        found = read_file(env, Path.cwd())
    except SettingsError as error:
        _say_once(f"{error.message} Nothing in it counts now, neither home nor the ledger's folder.")
        found = SettingsFile()
    return _from(TableReader(found.data, found.text, []), env, found.path)


@functools.cache
def _say_once(warning: str) -> None:
    """A command may read the settings several times."""
    _log.warning("%s", warning)


def require_readable() -> None:
    """Raise SettingsError where nothing of the file can be read: for what goes wrong where the file says that home or
    ledger lie elsewhere."""
    read_file(os.environ, Path.cwd())


def _from(top: TableReader, env: Mapping[str, str], file: Path | None) -> Settings:
    written = top.from_environment(env, "FREEHOLD_HOME", "home", "")
    home = Path(written or paths.default_home()).expanduser().absolute()
    settings = Settings(
        home=home,
        runtime_dir=paths.runtime_dir(home, env.get("XDG_RUNTIME_DIR")),
        server=_server(top.table("server"), env),
        engine=_engine(top.table("engine")),
        memory=read_memory(top.table("memory")),
        hub=_hub(top.table("hub"), env),
        deeds=_deeds(top.table("deeds")),
        ledger=_ledger(top.table("ledger")),
        log=read_log(top.table("log"), env),
        admission=read_admission(top.table("admission")),
        sign_on=_sign_on(top.table("sign_on"), env) if top.has("sign_on") else None,
        telemetry=read_telemetry(top.table("telemetry")) if top.has("telemetry") else None,
        organization=read_organization(top.table("organization")) if top.has("organization") else None,
        policy=read_policy(top.table("policy")),
        endpoints=_endpoints(top) if top.has("endpoints") else None,
        file=file,
        environment=env,
    )
    if settings.ledger.mode == "off" and any(row.keep_content_s for row in (settings.endpoints or {}).values()):
        top.table("ledger").problem("mode", 'is "off", and keep_content needs the records that name what is kept')
    top.refuse_unknown()
    return settings


def _sign_on(table: TableReader, env: Mapping[str, str]) -> SignOn:
    return read_sign_on(table, _secret(env, "FREEHOLD_CLIENT_SECRET"))


def _server(table: TableReader, env: Mapping[str, str]) -> ServerSettings:
    default = ServerSettings()
    server = ServerSettings(
        host=table.from_environment(env, "FREEHOLD_HOST", "host", default.host),
        port=table.from_environment_int(env, "FREEHOLD_PORT", table.integer("port", default.port, 0, 65535)),
        hosts=table.texts("hosts"),
        origins=table.texts("origins"),
        max_body_bytes=table.integer("max_body_bytes", default.max_body_bytes, 1024, 2**40),
        drain_s=table.number("drain_s", default.drain_s, 0, 3600),
        api_key=_secret(env, "FREEHOLD_API_KEY"),
        tls_certificate=_file(table, "tls_certificate"),
        tls_key=_file(table, "tls_key"),
    )
    table.refuse_unknown()
    return server


def _file(table: TableReader, key: str) -> Path | None:
    return Path(table.text(key, "")).expanduser().absolute() if table.has(key) else None


def _engine(table: TableReader) -> EngineOptions:
    options = _options(table)
    table.refuse_unknown()
    return options


def _options(table: TableReader) -> EngineOptions:
    default = EngineOptions()
    named = table.one_of("engine", "llama.cpp", get_args(EngineName)) if table.has("engine") else None
    return EngineOptions(
        engine=cast("EngineName | None", named),
        context_tokens=table.optional_integer("context_tokens", 16, 2**31),
        slots=table.optional_integer("slots", 1, 1024),
        threads=table.optional_integer("threads", 1, 1024),
        batch_tokens=table.optional_integer("batch_tokens", 1, 2**16),
        cache_type=table.one_of("cache_type", "f16", CACHE_TYPES) if table.has("cache_type") else None,
        prompt_cache_mib=table.optional_integer("prompt_cache_mib", 0, 2**20),
        start_timeout_s=table.number("start_timeout_s", default.start_timeout_s, 1, 86400),
        lock=table.one_of("lock", default.lock, ("require", "prefer", "off")),
        workload=table.one_of("for", "chat", WORKLOADS) if table.has("for") else None,
    )


def _hub(table: TableReader, env: Mapping[str, str]) -> HubSettings:
    hub = HubSettings(
        endpoint=table.from_environment(env, "HF_ENDPOINT", "endpoint", HubSettings().endpoint).rstrip("/"),
        token=_secret(env, "HF_TOKEN"),
        offline=env.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"},
    )
    table.refuse_unknown()
    return hub


def _deeds(table: TableReader) -> DeedSettings:
    chosen = table.one_of("unsigned", "accept", ("accept", "refuse")) if table.has("unsigned") else None
    table.refuse_unknown()
    return DeedSettings(cast('Literal["accept", "refuse"] | None', chosen))


def _ledger(table: TableReader) -> LedgerSettings:
    mode = table.one_of("mode", LedgerSettings().mode, get_args(LedgerMode))
    folder = table.text("folder", "")
    table.refuse_unknown()
    return LedgerSettings(cast("LedgerMode", mode), Path(folder).expanduser().absolute() if folder else None)


def _endpoints(top: TableReader) -> dict[str, EndpointSettings]:
    table = top.table("endpoints")
    found: dict[str, EndpointSettings] = {}
    for name in table.names():
        if not table.is_table(name):
            if (ref := table.reference(name, required=True)) is not None:
                found[name] = EndpointSettings(name, ref)
            continue
        row = table.table(name)
        ref = row.reference("ref", required=True)
        key_env, options, stay = row.text("key_env", "") or None, _options(row), read_stay(row)
        keep_content_s = read_keep_content(row)
        row.refuse_unknown()
        if ref is not None:
            found[name] = EndpointSettings(name, ref, key_env, options, stay, keep_content_s)
    return found


def _secret(env: Mapping[str, str], name: str) -> Secret | None:
    if env.get(name):
        return Secret(env[name])
    file = env.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Secret(Path(file).read_text(encoding="utf-8").strip())
    except OSError as error:
        raise SettingsError(f"{name}_FILE names {file}, which cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:  # no cause: its words hold a part of the secret
        raise SettingsError(f"{name}_FILE names {file}, which is no text in UTF-8.") from None
