"""The machine is what this process may use of it: a container's quota and memory count, not the host's."""

from __future__ import annotations

from pathlib import Path

from freehold.hardware import cgroups, probe


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def limits(root: Path, membership: str) -> cgroups.Limits:
    own = root / "self-cgroup"
    own.write_text(membership)
    return cgroups.limits(membership=own, root=root)


def test_a_quota_and_a_memory_limit_of_version_two_are_read_with_the_smallest_on_the_way_up(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "a/cpu.max": "150000 100000\n",
            "a/memory.max": "1000000\n",
            "a/memory.current": "900000\n",
            "a/memory.stat": "anon 1\ninactive_file 300000\n",
            "a/b/cpu.max": "max 100000\n",
            "a/b/memory.max": "4000000\n",
            "a/b/memory.current": "500000\n",
        },
    )
    assert limits(tmp_path, "0::/a/b\n") == cgroups.Limits(1.5, 1_000_000, 400_000)


def test_inside_a_container_whose_path_is_the_hosts_the_mounted_folder_counts(tmp_path: Path) -> None:
    written(tmp_path, {"cpu.max": "200000 100000\n", "memory.max": "max\n"})
    assert limits(tmp_path, "0::/docker/abc\n") == cgroups.Limits(2.0, None, None)


def test_version_one_is_read_by_its_controllers(tmp_path: Path) -> None:
    written(
        tmp_path,
        {
            "cpu,cpuacct/x/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            "memory/x/memory.limit_in_bytes": "2000000\n",
            "memory/x/memory.usage_in_bytes": "1500000\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert limits(tmp_path, "4:memory:/x\n3:cpu,cpuacct:/x\n") == cgroups.Limits(0.5, 2_000_000, 500_000)


def test_no_control_group_is_no_limit(tmp_path: Path) -> None:
    assert cgroups.limits(membership=tmp_path / "none", root=tmp_path) == cgroups.Limits()


def test_a_processor_is_named_by_its_model_or_on_arm_by_its_board_and_core(tmp_path: Path) -> None:
    x86 = "processor\t: 0\nmodel name\t: AMD EPYC 7763\nflags\t\t: fma avx2\n\nprocessor\t: 1\nmodel name\t: other\n"
    arm = "processor\t: 0\nFeatures\t: asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
    files = written(tmp_path, {"x86": x86, "arm": arm, "board": "Raspberry Pi 5 Model B Rev 1.0\0"})
    none = tmp_path / "none"
    assert probe.processor(files / "x86", none) == ("AMD EPYC 7763", frozenset({"fma", "avx2"}))
    board = "Raspberry Pi 5 Model B Rev 1.0 Arm 0x41/0xd0b"
    assert probe.processor(files / "arm", files / "board") == (board, frozenset({"asimd", "asimddp"}))
    assert probe.processor(files / "arm", none)[0] == "Arm 0x41/0xd0b"
    assert probe.processor(none, none) == (None, frozenset())


def test_this_machine_has_cores_and_memory() -> None:
    found = probe.machine()
    assert 0 < found.usable_cores <= found.logical_cores
    assert 0 < found.memory_available_bytes <= found.memory_total_bytes
    assert found.system
    assert found.architecture
