"""Models in OpenVINO's form: a sound one is clean, a hostile one is found by its check, its halves belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.weights.verify import verify
from tests.hostile.folders import Folder
from tests.hostile.openvino_files import MORE, SOUND


def test_the_sound_one_that_hostile_ones_are_made_from_is_clean(tmp_path: Path) -> None:
    report = verify([SOUND.write(tmp_path)])
    assert (report.verdict, report.findings, report.undecided) == ("clean", (), ())
    assert {"openvino.xml", "openvino.constant", "template.exec.private"} <= set(report.checks)


@pytest.mark.parametrize(("check", "folder"), MORE)
def test_each_is_found_by_its_check(tmp_path: Path, check: str, folder: Folder) -> None:
    report = verify([folder.write(tmp_path)])
    assert [found.check for found in (*report.findings, *report.undecided)] == [check]


def test_a_binary_file_without_its_xml_is_of_no_known_format(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.bin").write_bytes(bytes(8))
    assert [found.check for found in verify([tmp_path]).undecided] == ["format.unknown"]
