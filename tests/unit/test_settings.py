from __future__ import annotations

from pathlib import Path

import pytest

from freehold.cli.main import main
from freehold.core.errors import SettingsError
from freehold.core.refs import ModelRef, RemoteRef
from freehold.core.settings import EngineOptions, load
from freehold.core.sign_on import Role


def _write(folder: Path, text: str) -> Path:
    file = folder / "freehold.toml"
    file.write_text(text)
    return file


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(environment={"FREEHOLD_HOME": str(tmp_path / "h")}, folder=tmp_path)
    assert (settings.server.host, settings.server.port, settings.endpoints) == ("127.0.0.1", 8300, None)
    assert settings.home == tmp_path / "h"


def test_endpoints_are_one_line_or_a_table(tmp_path: Path) -> None:
    _write(
        tmp_path,
        '[endpoints]\nhouse = "smollm2-135m-instruct"\n'
        'big = { ref = "openai:gpt-5", key_env = "BANK_KEY" }\nwide = { ref = "x", context_tokens = 4096 }\n',
    )
    rows = load(environment={}, folder=tmp_path).endpoints
    assert rows is not None and list(rows) == ["house", "big", "wide"]
    assert rows["house"].ref == ModelRef("smollm2-135m-instruct")
    assert (rows["big"].ref, rows["big"].key_env) == (RemoteRef("https://api.openai.com/v1", "gpt-5"), "BANK_KEY")
    assert rows["wide"].options.over(EngineOptions(slots=2)) == EngineOptions(slots=2, context_tokens=4096)


def test_every_error_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    _write(
        tmp_path,
        '[server]\nprot = 1\nport = "x"\n\n[endpoints]\na = "no good"\nd = 3\nb = { slots = 0 }\n'
        '[endpoints.c]\nref = "m"\n'
        "threads = true\n[engin]\n",
    )
    with pytest.raises(SettingsError) as raised:
        load(environment={}, folder=tmp_path)
    found = [(problem["key"], problem["line"]) for problem in raised.value.data["problems"]]
    assert [line for _, line in found] == sorted(line for _, line in found)
    assert len(found) == len(set(found)) and set(found) == {
        ("server.prot", 2),
        ("server.port", 3),
        ("endpoints.a", 6),
        ("endpoints.d", 7),
        ("endpoints.b.ref", 8),
        ("endpoints.b.slots", 8),
        ("endpoints.c.threads", 11),
        ("engin", 12),
    }
    assert "did you mean 'port'" in str(raised.value) and "endpoints.d must be a string, not 3" in str(raised.value)
    assert "in force" not in str(raised.value), "at start no settings are in force"


@pytest.mark.parametrize("text", ["a = = 1", "\xff"])
def test_a_file_that_is_not_toml_names_itself(tmp_path: Path, text: str) -> None:
    (tmp_path / "freehold.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"freehold\.toml cannot be read"):
        load(environment={}, folder=tmp_path)


def test_what_works_beside_a_file_that_is_not_toml_says_that_nothing_in_it_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, '[ledger]\nfolder = "/var/ledger\n')
    assert [main([*words]) for words in (("keys", "list"), ("ledger", "verify"))] == [0, 1]
    assert caplog.text.count("freehold.toml cannot be read: ") == 1
    assert "Nothing in it counts now, neither home nor the ledger's folder." in caplog.text


def test_no_backup_is_made_while_nobody_knows_where_the_ledger_lies(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    _write(tmp_path, '[ledger]\nfolder = "/var/ledger\n')
    for words in (("backup", "house.tar"), ("restore", "house.tar")):
        assert main([*words]) == 2
        assert "freehold.toml cannot be read: " in capsys.readouterr().err
    assert not Path("house.tar").exists()


def test_the_environment_wins_over_the_file_and_its_errors_are_named(tmp_path: Path) -> None:
    _write(tmp_path, "[server]\nport = 1\n")
    assert load(environment={"FREEHOLD_PORT": "9001"}, folder=tmp_path).server.port == 9001
    _write(tmp_path, 'home = "/srv/x"\n[server]\nhost = "::1"\n[hub]\nendpoint = "https://hub.example"\n')
    said = {"FREEHOLD_HOME": "/srv/y", "FREEHOLD_HOST": "127.0.0.1", "HF_ENDPOINT": "https://mirror.example/"}
    settings = load(environment=said, folder=tmp_path)
    found = (str(settings.home), settings.server.host, settings.hub.endpoint)
    assert found == ("/srv/y", "127.0.0.1", "https://mirror.example")
    with pytest.raises(SettingsError, match="FREEHOLD_PORT must be a port number"):
        load(environment={"FREEHOLD_PORT": "many"}, folder=tmp_path)


def test_secrets_come_from_the_environment_or_a_file_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    for environment in ({"FREEHOLD_API_KEY": "s3cret"}, {"FREEHOLD_API_KEY_FILE": str(tmp_path / "key")}):
        settings = load(environment=environment, folder=tmp_path)
        assert settings.server.api_key is not None and settings.server.api_key.reveal() == "s3cret"
        assert "s3cret" not in repr(settings)


def test_settings_that_are_read_again_unchanged_are_equal(tmp_path: Path) -> None:
    first, again, other = (load(environment={"FREEHOLD_API_KEY": key}, folder=tmp_path).server for key in "aab")
    assert first == again != other


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HF_TOKEN_FILE"):
        load(environment={"HF_TOKEN_FILE": str(tmp_path / "none")}, folder=tmp_path)


def test_a_secret_that_is_no_text_is_named_by_its_file_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"s3cret\xff")
    with pytest.raises(SettingsError, match="which is no text in UTF-8") as caught:
        load(environment={"FREEHOLD_KEY_PASSPHRASE_FILE": str(tmp_path / "key")}, folder=tmp_path).secret(
            "FREEHOLD_KEY_PASSPHRASE"
        )
    assert "s3cret" not in str(caught.value) and caught.value.__cause__ is None


def test_a_named_settings_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not there"):
        load(environment={"FREEHOLD_CONFIG": str(tmp_path / "none.toml")}, folder=tmp_path)


def test_the_ledger_is_relaxed_and_in_the_home_unless_said_otherwise(tmp_path: Path) -> None:
    settings = load(environment={"FREEHOLD_HOME": str(tmp_path)}, folder=tmp_path)
    assert (settings.ledger.mode, settings.ledger_folder) == ("relaxed", tmp_path / "ledger")
    (tmp_path / "freehold.toml").write_text(f'[ledger]\nmode = "strict"\nfolder = "{tmp_path}/audit"\n')
    settings = load(environment={}, folder=tmp_path)
    assert (settings.ledger.mode, settings.ledger_folder) == ("strict", tmp_path / "audit")
    (tmp_path / "freehold.toml").write_text('[ledger]\nmode = "loose"\n')
    with pytest.raises(SettingsError, match=r"line 2: ledger\.mode must be one of strict, relaxed, off, not 'loose'"):
        load(environment={}, folder=tmp_path)


def test_what_becomes_of_unsigned_deeds_is_accept_refuse_or_left_to_the_key(tmp_path: Path) -> None:
    assert load(environment={}, folder=tmp_path).deeds.unsigned is None
    (tmp_path / "freehold.toml").write_text('[deeds]\nunsigned = "accept"\n')
    assert load(environment={}, folder=tmp_path).deeds.unsigned == "accept"
    (tmp_path / "freehold.toml").write_text('[deeds]\nunsigned = "perhaps"\n')
    with pytest.raises(SettingsError, match=r"line 2: deeds\.unsigned must be one of accept, refuse, not 'perhaps'"):
        load(environment={}, folder=tmp_path)


SIGN_ON = """[sign_on]
issuer = "https://login.example.org/a"
audience = ["freehold", "house"]
keys_file = "keys.json"
[sign_on.roles.staff]
endpoints = ["small"]
for = ["chat"]
tokens_per_day = 100
[sign_on.roles."Team Ä"]
admin = true
"""


def test_a_sign_on_has_its_roles_by_the_values_of_a_claim(tmp_path: Path) -> None:
    _write(tmp_path, SIGN_ON)
    found = load(environment={}, folder=tmp_path).sign_on
    assert found is not None
    assert (found.issuer, found.audience) == ("https://login.example.org/a", ("freehold", "house"))
    assert found.keys_file is not None and found.keys_file.is_absolute()
    assert found.roles == {
        "staff": Role(("small",), ("chat",), False, {"tokens_per_day": 100}),
        "Team Ä": Role(admin=True),
    }
    assert load(environment={}, folder=tmp_path / "elsewhere").sign_on is None


def test_every_error_of_a_sign_on_is_told_with_its_line(tmp_path: Path) -> None:
    _write(
        tmp_path,
        '[sign_on]\nissuer = "http://login.example.org"\nalgorithms = ["HS256"]\nleeway_s = 4000\n'
        '[sign_on.roles.a]\nadmin = "yes"\n',
    )
    with pytest.raises(SettingsError) as caught:
        load(environment={}, folder=tmp_path)
    told = {problem["key"]: problem["line"] for problem in caught.value.data["problems"]}
    assert told == {
        "sign_on.issuer": 2,
        "sign_on.audience": 1,
        "sign_on.algorithms": 3,
        "sign_on.leeway_s": 4,
        "sign_on.roles.a.admin": 6,
    }


def test_a_certificate_and_its_key_are_files(tmp_path: Path) -> None:
    _write(tmp_path, '[server]\ntls_certificate = "/a/house.pem"\ntls_key = "/a/house.key"\n')
    server = load(environment={}, folder=tmp_path).server
    assert (server.tls_certificate, server.tls_key) == (Path("/a/house.pem"), Path("/a/house.key"))
