"""Every check of a GGUF: a hostile file that it alone refuses, and what becomes of that file without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.core.errors import WeightsError
from freehold.weights.checks import Findings, checks
from freehold.weights.gguf import check_gguf, check_splits, read_facts, read_split
from freehold.weights.report import Finding, Report, Verdict
from tests.hostile.gguf_files import HOSTILE, MORE, piece, pieces, sound

CHECKS = {name: check for name, check in checks().items() if name.startswith("gguf.")}
# The last resort where another check stopped the reading and said nothing; only a mutation brings it about.
LAST_RESORT = "gguf.header.unread"
# Checks after which nothing can be read.
STOPS = {
    *("gguf.header.truncated", "gguf.header.size", "gguf.header.work", "gguf.count.keys", "gguf.count.tensors"),
    *("gguf.value.type", "gguf.string.length", "gguf.array.type", "gguf.array.length", "gguf.array.long"),
    *("gguf.array.depth", "gguf.magic", "gguf.version.old", "gguf.version.unknown", "gguf.file.kind"),
}
NOTES_ONLY = {"gguf.byte_order"}


def looked(paths: list[Path]) -> Report:
    """What is found in `paths`, each alone and all together."""
    looks = [check_gguf(path) for path in paths]
    together = check_splits(looks)
    findings: list[Finding] = [*together.findings]
    undecided: list[Finding] = [*together.undecided]
    for look in looks:
        findings += look.findings
        undecided += look.undecided
    return Report((), tuple(CHECKS), tuple(findings), tuple(undecided))


def names(report: Report) -> set[str]:
    return {finding.check for finding in (*report.findings, *report.undecided)}


def written(folder: Path, data: bytes, name: str = "m.gguf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_there_is_a_hostile_file_for_every_check() -> None:
    assert HOSTILE.keys() == CHECKS.keys() - {LAST_RESORT}
    assert len(HOSTILE) >= 70


def test_the_sound_file_they_are_made_from_is_clean(tmp_path: Path) -> None:
    report = looked([written(tmp_path, sound())])
    assert report.findings == report.undecided == ()
    for number, (name, parts) in enumerate(pieces(piece(0, 2, 2), piece(1, 2, 2)).items()):
        assert isinstance(parts[0], bytes), number
        written(tmp_path, parts[0], name)
    assert looked(sorted(tmp_path.glob("m-*"))).verdict == "clean"


@pytest.mark.parametrize("check", HOSTILE)
def test_a_hostile_file_is_found_by_its_own_check_and_no_other(check: str, tmp_path: Path) -> None:
    hostile = HOSTILE[check]
    paths = hostile.write(tmp_path)
    report = looked(paths)
    assert names(report) == {check} | hostile.also
    expected: Verdict = (
        "clean" if check in NOTES_ONLY else "undecidable" if (CHECKS[check].outcome == "undecided") else "finding"
    )
    assert report.verdict == expected
    disk_bytes = sum(path.stat().st_blocks * 512 for path in paths if path.exists())
    assert disk_bytes <= 32_768


@pytest.mark.parametrize(("check", "data"), MORE)
def test_other_ways_to_be_wrong_are_found_too(check: str, data: bytes, tmp_path: Path) -> None:
    assert check in names(looked([written(tmp_path, data)]))


@pytest.mark.parametrize("check", sorted(HOSTILE.keys() - NOTES_ONLY))
def test_without_its_check_a_hostile_file_gets_another_verdict(
    check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = HOSTILE[check].write(tmp_path)
    before = looked(paths).verdict
    say = Findings.add
    dropped = {check} | HOSTILE[check].also

    def say_others(self: Findings, name: str, message: str, offset: int | None = None) -> None:
        if name not in dropped:
            say(self, name, message, offset)

    monkeypatch.setattr(Findings, "add", say_others)
    after = looked(paths)
    # A check that stops the reading leaves the last resort behind: what was not read to its end is never clean.
    assert names(after) <= {LAST_RESORT}
    assert after.verdict == ("undecidable" if names(after) else "clean")
    assert before != after.verdict or (CHECKS[check].outcome == "undecided")
    assert names(after) == {LAST_RESORT} or check not in STOPS


def test_a_file_with_a_thousand_faults_gives_a_few_of_them_and_says_how_many_more(tmp_path: Path) -> None:
    merges = (9, (8, ["x"] * 1000))
    (first, *_, last) = check_gguf(written(tmp_path, sound({"tokenizer.ggml.merges": merges}))).findings
    assert first.message.startswith("Merge 0 is 'x'")
    assert last.message.endswith("There are 996 more of this kind.")


def test_findings_go_on_after_the_first_where_the_file_can_still_be_read(tmp_path: Path) -> None:
    data = sound({"llama.block_count": (4, 0), "tokenizer.ggml.bos_token_id": (4, 9)}, alignment=64) + b"tail" * 16
    found = check_gguf(written(tmp_path, data))
    assert {finding.check for finding in found.findings} == {
        "gguf.arch.blocks",
        "gguf.layout.trailing",
        "gguf.tokenizer.special",
    }
    assert found.facts is None


def test_a_look_hands_on_the_texts_that_others_judge(tmp_path: Path) -> None:
    more = {
        "tokenizer.chat_template.tool_use": (8, "{{ tools }}"),
        "general.base_model.count": (4, 1),
        "general.base_model.0.repo_url": (8, "https://hub.invalid/a/b"),
        "general.tags": (9, (8, ["a", "b"])),
        "quantize.imatrix.file": (8, "im.dat"),
    }
    look = check_gguf(written(tmp_path, sound(more)))
    assert look.findings == look.undecided == ()
    assert look.templates == {
        "tokenizer.chat_template": "{{ messages[0].content }}",
        "tokenizer.chat_template.tool_use": "{{ tools }}",
    }
    assert look.metadata["general.license"] == "apache-2.0"
    assert look.metadata["general.tags"] == ("a", "b")
    assert look.metadata["general.base_model.0.repo_url"] == "https://hub.invalid/a/b"
    assert look.metadata["quantize.imatrix.file"] == "im.dat"
    assert look.facts is not None
    assert look.facts.chat_template == "{{ messages[0].content }}"


def test_the_real_small_model_is_clean(smollm2_gguf: Path) -> None:
    look = check_gguf(smollm2_gguf)
    assert look.findings == look.undecided == ()
    assert look.metadata["general.license"] == "apache-2.0"
    assert look.facts is not None


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"llama.attention.head_count": (4, 0), "llama.ssm.state_size": (4, 16)}, "a state in place of attention"),
        ({"llama.attention.head_count": (9, (4, [4, 0]))}, "a layer without attention"),
        ({"llama.attention.head_count": (4, 6), "llama.attention.key_length": (4, 16)}, "a head size of its own"),
        ({"tokenizer.ggml.token_type": (9, (4, [3, 6, 1, 1]))}, "types without a sign"),
        ({"llama.context_length": (10, 10_485_760)}, "wide numbers"),
    ],
)
def test_what_real_models_have_is_clean(keys: dict[str, tuple[int, object]], why: str, tmp_path: Path) -> None:
    assert check_gguf(written(tmp_path, sound(keys))).findings == (), why


def test_an_importance_matrix_is_no_build_and_not_hostile(tmp_path: Path) -> None:
    path = written(tmp_path, sound({"general.type": (8, "imatrix")}, without=("general.architecture",)))
    look = check_gguf(path)
    assert (look.findings, look.undecided, look.facts) == ((), (), None)
    with pytest.raises(WeightsError, match="does not say its architecture"):
        read_facts(path)


def test_a_refusal_names_the_check_and_a_thing_for_review_does_not_stop_a_build(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        read_facts(HOSTILE["gguf.tokenizer.byte_token"].write(tmp_path)[0])
    assert caught.value.data["check"] == "gguf.tokenizer.byte_token"
    assert caught.value.message.startswith("m.gguf is refused. Token 1 is a byte token")
    assert read_facts(HOSTILE["gguf.tokenizer.merges"].write(tmp_path)[0]).architecture == "llama"


@pytest.mark.parametrize("check", ["gguf.split.total", "gguf.split.architecture", "gguf.split.tensor"])
def test_a_split_build_whose_pieces_do_not_fit_is_refused(check: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        read_split(HOSTILE[check].write(tmp_path))
    assert caught.value.data["check"] == check


@pytest.mark.parametrize(
    ("key", "check"), [("block_count", "gguf.key.type"), ("attention.key_length", "gguf.arch.layer_array")]
)
def test_a_number_does_not_hide_in_a_list_too_long_to_read(key: str, check: str, tmp_path: Path) -> None:
    path = written(tmp_path, sound({f"llama.{key}": (9, (4, [0] * 5000))}))
    assert {finding.check for finding in check_gguf(path).findings} == {check}


def test_a_name_in_a_file_cannot_steer_the_terminal_or_fill_it(tmp_path: Path) -> None:
    name = "general.source.\x1b[2J" + "x" * 5000
    (first, second) = check_gguf(written(tmp_path, sound({name: (4, 1)}))).findings
    assert (first.check, second.check) == ("gguf.key.ascii", "gguf.key.type")
    assert "\\x1b[2J" in second.message
    assert all(finding.message.isprintable() and len(finding.message) < 600 for finding in (first, second))


def test_every_finding_that_stops_somebody_says_what_to_do() -> None:
    stopping = [each for each in checks().values() if each.outcome != "note"]
    assert len(stopping) > 150
    assert [each.name for each in stopping if not each.hint] == []


def test_no_hint_of_what_a_pull_takes_says_that_it_is_not_to_be_run() -> None:
    taken = [each for each in checks().values() if each.outcome in {"review", "note"}]
    assert len(taken) > 20
    assert [each.name for each in taken if "not run it" in each.hint] == []
