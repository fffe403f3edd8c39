"""The policy at the doors: a pull, an endpoint, `freehold.open`. Refused with reasons, taken by a name on record."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
from pathlib import Path

import pytest

import freehold
from freehold.app import House, build_house
from freehold.cli.main import main
from freehold.cli.output import Output
from freehold.cli.permitting import AGREED, Wish, permitted
from freehold.core.errors import PolicyError, PolicyReviewError
from freehold.core.organization import Organization, Policy
from freehold.core.refs import parse
from freehold.core.settings import EndpointSettings, HubSettings, Settings, load
from freehold.python.opening import pull_into
from freehold.store.overrides import Overrides
from tests.gguf_bytes import gguf
from tests.recorder import Recorder
from tests.servers.hub import Hub, serve
from tests.servers.tiny_gguf import tiny_gguf

REPOSITORY = "org/Tiny-GGUF"
LLAMA = {"base_model": "meta-llama/Llama-3.1-8B-Instruct", "license": "llama3.1"}
FIRM = Organization(
    name="Example",
    domicile="US",
    commercial=True,
    sectors=(),
    monthly_active_users=1_000,
    monthly_active_users_peak=2_000,
    revenue_year_usd=500_000,
    hosts_for_others=False,
    offers_services=False,
    distributes=False,
    trains_on_outputs=False,
    strips_guardrails=False,
)
CROWD = dataclasses.replace(
    FIRM,
    monthly_active_users=9 * 10**8,
    monthly_active_users_peak=9 * 10**8,
    monthly_active_users_at={"2024-06": 8 * 10**8},
)


def house(hub: Hub, organization: Organization | None, policy: Policy | None = None) -> House:
    settings = dataclasses.replace(load(), hub=HubSettings(hub.url), organization=organization)
    return build_house(dataclasses.replace(settings, policy=policy or Policy()))


async def test_a_denied_model_is_refused_before_a_byte_of_it_comes(home: Path) -> None:
    async with serve(REPOSITORY, {"Tiny-Q8_0.gguf": tiny_gguf("large")}, card=LLAMA) as hub:
        with pytest.raises(PolicyError) as caught:
            await pull_into(house(hub, CROWD), parse(f"hf:{REPOSITORY}"))
        assert hub.storage_requests == []
    assert build_house(load()).store.builds() == ()
    error = caught.value
    assert "user cap, llama3.1, section 2" in error.message and "monthly_active_users_at.2024-06" in error.message
    assert "by our reading of text sha256:" in error.message
    assert f"freehold pull hf:{REPOSITORY} --override" in error.hint
    assert (error.exit_code, error.http_status, isinstance(error, PolicyReviewError)) == (1, 403, False)


@pytest.mark.parametrize(("organization", "said"), [(None, "question open"), (FIRM, "allowed with")])
async def test_whoever_may_have_it_gets_it_with_its_duties_in_one_line(
    home: Path, organization: Organization | None, said: str
) -> None:
    recorder = Recorder()
    async with serve(REPOSITORY, {"Tiny-Q8_0.gguf": tiny_gguf("large")}, card=LLAMA) as hub:
        build = await pull_into(house(hub, organization), parse(f"hf:{REPOSITORY}"), progress=recorder)
    assert build.files[0].exists()
    (line,) = (note for note in recorder.notes if "by our reading" in note)
    assert said in line and "Llama 3.1 Community License" in line and "freehold license check" in line


async def test_weights_made_from_a_free_model_are_under_the_license_they_claim_too(home: Path) -> None:
    card = {"base_model": "HuggingFaceTB/SmolLM2-135M-Instruct", "license": "cc-by-nc-4.0"}
    async with serve(REPOSITORY, {"Tiny-Q8_0.gguf": tiny_gguf("large")}, card=card) as hub:
        with pytest.raises(PolicyError, match=r"commercial, cc-by-nc-4\.0"):
            await pull_into(house(hub, FIRM), parse(f"hf:{REPOSITORY}"))
        fair = {**card, "license": "apache-2.0"}
        hub.card = fair
        assert (await pull_into(house(hub, FIRM), parse(f"hf:{REPOSITORY}"))).files


@pytest.fixture
def weights(tmp_path: Path) -> str:
    (tmp_path / "own.gguf").write_bytes(gguf(rows=64))
    return "./own.gguf"


ORGANIZATION = '[organization]\nname = "Example"\ncommercial = true\n'


def settings_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "freehold.toml"
    file.write_text(text)
    return file


def test_a_newcomer_is_not_asked_who_they_are(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", weights]) == 0
    assert "questions open" in capsys.readouterr().err


def test_an_open_question_stops_a_pull_until_a_named_person_takes_it(
    weights: str, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file(tmp_path, ORGANIZATION)
    assert main(["pull", weights]) == 4
    error = capsys.readouterr().err
    assert "needs a review before it is used" in error and "which model these weights are is not known" in error
    assert build_house(load()).store.builds() == () and Overrides(home).every() == ()
    assert main(["pull", weights, "--override", "our own weights", "--by", "A. Lead"]) == 0
    (override,) = Overrides(home).every()
    assert (override.by, override.reason) == ("A. Lead", "our own weights") and len(override.reasons) == 2
    capsys.readouterr()
    (build,) = build_house(load()).store.builds()
    assert main(["license", "check", build.name, "--json"]) == 4
    standing = json.loads(capsys.readouterr().out)["override"]
    assert standing["by"] == "A. Lead" and standing["covers_this"]


def test_a_second_override_is_recorded_too_and_one_that_says_nothing_is_refused(
    weights: str, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file(tmp_path, "[policy]\nrequire_verified = true\n")
    assert main(["pull", weights]) == 1
    refused = capsys.readouterr().err
    assert '"why" --by NAME' in refused and "by our reading" not in refused, "no text was read for a rule of the house"
    assert main(["pull", weights, "--override", "first", "--by", "A. Lead"]) == 0
    said = capsys.readouterr().err
    (first,) = Overrides(home).every()
    assert len(first.reasons) == 3 and all(f"- {reason}" in said for reason in first.reasons)
    assert "overridden by A. Lead" in said and "denied:" not in said
    for wrong in (["--override", " ", "--by", "B"], ["--override", "why", "--by", ""]):
        assert main(["pull", weights, *wrong]) == 2
    assert main(["pull", weights]) == 0
    assert Overrides(home).every() == (first,)
    assert main(["pull", weights, "--override", "second", "--by", "B"]) == 0
    assert [(each.by, each.reason) for each in Overrides(home).every()] == [("A. Lead", "first"), ("B", "second")]


def test_a_build_nobody_vouches_for_is_refused_where_that_is_asked(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file(tmp_path, "[policy]\nrequire_verified = true\n")
    assert main(["pull", weights]) == 1
    assert "policy.require_verified = true" in capsys.readouterr().err
    assert build_house(load()).store.builds() == ()


def held(weights: str, *names: str) -> None:
    """Builds that came in before there was a policy."""
    for number, name in enumerate(names):
        Path(f"{name}.gguf").write_bytes(gguf(rows=64 + number))
        assert main(["pull", f"./{name}.gguf", "--quiet"]) == 0


DENY_ONE = '[policy]\ndenied_models = ["*one.gguf"]\n'


def test_every_denied_endpoint_is_named_and_the_house_does_not_start(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held(weights, "one", "two", "other")
    endpoints = '[endpoints]\na = "./one.gguf"\nb = "./two.gguf"\nc = "./other.gguf"\n'
    settings_file(tmp_path, f'{endpoints}[policy]\ndenied_models = ["*one.gguf", "*two.gguf"]\n')
    assert main(["up", "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert error.count("is denied:") == 2 and "one.gguf" in error and "two.gguf" in error and "other" not in error
    assert "your policy denies this model" in error and "policy.denied_models has *one.gguf" in error


def test_a_denied_build_that_nobody_named_is_left_out_and_the_others_are_served(weights: str, tmp_path: Path) -> None:
    held(weights, "one", "two")
    settings_file(tmp_path, DENY_ONE)
    served = [endpoint.name for endpoint in build_house(load()).gateway.endpoints()]
    assert len(served) == 1 and served[0].startswith("two")


def test_where_every_build_is_denied_nothing_is_served_and_it_says_why(weights: str, tmp_path: Path) -> None:
    held(weights, "one")
    settings_file(tmp_path, DENY_ONE)
    with pytest.raises(PolicyError, match="your policy denies this model"):
        build_house(load()).gateway.endpoints()


def test_a_reload_under_a_policy_that_denies_changes_nothing(weights: str) -> None:
    held(weights, "one", "two")
    rows = {name: EndpointSettings(name, parse(f"./{name}.gguf")) for name in ("one", "two")}
    settings = dataclasses.replace(load(), endpoints={"two": rows["two"]})
    denying = dataclasses.replace(settings, endpoints=rows, policy=Policy(denied_models=("*one.gguf",)))

    async def reloaded() -> list[str]:
        gateway = build_house(settings).gateway
        await gateway.reload(settings)
        with pytest.raises(PolicyError):
            await gateway.reload(denying)
        return [endpoint.name for endpoint in gateway.endpoints()]

    assert asyncio.run(reloaded()) == ["two"]


def test_a_denied_build_is_not_opened_by_run_nor_by_python(
    weights: str,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held(weights, "one")
    settings_file(tmp_path, DENY_ONE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    (build,) = build_house(load()).store.builds()
    with pytest.raises(PolicyError, match="your policy denies this model"):
        freehold.open(build.name)
    assert main(["run", build.name, "Hello"]) == 1
    assert "freehold license override" in capsys.readouterr().err
    assert not list((home / "logs").glob("*")), "no worker was started"


def test_an_override_lets_it_be_opened_and_its_withdrawal_does_not(
    weights: str, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held(weights, "one")
    settings_file(tmp_path, DENY_ONE)
    (build,) = build_house(load()).store.builds()
    assert main(["license", "override", build.name, "the ban is lifted", "--by", "A"]) == 0
    assert [endpoint.build for endpoint in build_house(load()).gateway.endpoints()] == [build.name]
    assert main(["show", build.name]) == 0
    assert "the ban is lifted" in capsys.readouterr().out
    assert main(["license", "override", build.name, "it is back", "--by", "B", "--withdraw"]) == 0
    with pytest.raises(PolicyError):
        build_house(load()).gateway.endpoints()


class AtTerminal(Output):
    """A person at a terminal who gives one answer."""

    def __init__(self, answer: bool) -> None:
        super().__init__(quiet=True)
        self.answer = answer
        self.asked: list[str] = []

    @property
    def talks_to_person(self) -> bool:
        return True

    def ask(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer


def _settings(policy: Policy) -> Settings:
    return dataclasses.replace(load(), organization=FIRM, policy=policy)


def _refusing(error: PolicyError, home: Path) -> str:
    """Refuses until an override is recorded."""
    if not Overrides(home).every():
        raise error
    return "done"


def _refused() -> list[dict[str, object]]:
    return [{"subject": "m", "grounds": ["g"], "reasons": [{"text": "why"}]}]


def test_a_person_is_asked_about_open_questions_and_their_yes_is_recorded(home: Path) -> None:
    open_one = PolicyReviewError("open", refused=_refused())
    no, yes = AtTerminal(False), AtTerminal(True)
    with pytest.raises(PolicyReviewError):
        permitted(lambda: _refusing(open_one, home), no, Wish(), _settings(Policy()))
    assert len(no.asked) == 1 and Overrides(home).every() == ()
    assert permitted(lambda: _refusing(open_one, home), yes, Wish(), _settings(Policy())) == "done"
    (override,) = Overrides(home).every()
    assert override.reason == AGREED and override.by and override.reasons == ("why",)


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (PolicyError("denied", refused=_refused()), Policy()),
        (PolicyReviewError("open", refused=_refused()), Policy(review="refuse")),
    ],
)
def test_nobody_is_asked_about_a_denial_nor_where_the_policy_refuses(
    home: Path, error: PolicyError, policy: Policy
) -> None:
    person = AtTerminal(True)
    with pytest.raises(PolicyError):
        permitted(lambda: _refusing(error, home), person, Wish(), _settings(policy))
    assert person.asked == [] and Overrides(home).every() == ()
