"""`python -m bench [NAME…] [--quick]`: runs the scripts one after the other, prints every table there is
and, unless it was a trial, puts them into README.md.

A script that fails is named at the end, and makes the exit code 1; the others still run. A claim that does not hold is
a result and no failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from bench.harness.measure import RESULTS, tables

SCRIPTS = (
    "startup",
    "catalog",
    "fit",
    "verify",
    "gateway_memory",
    "gateway_added_latency",
    "gateway_throughput",
    "ledger",
    "telemetry",
    "content",
    "sign_on",
    "streams_512",
    "ramp_512",
    "overload",
    "soak",
    "faults",
    "decode_and_prompt",
    "fit_memory",
    "fit_speed",
    "chosen_plan",
    "fresh_clone",
)
README = RESULTS.parent / "README.md"
_BEGIN, _END = "<!-- tables -->\n", "<!-- end of tables -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(SCRIPTS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: to try, not to quote")
    parser.add_argument("--tables", action="store_true", help="run nothing: write the tables of the results there are")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in SCRIPTS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")
    names = [] if chosen.tables else chosen.names or SCRIPTS
    failed = [name for name in names if not _runs(name, quick=chosen.quick)]
    report = _report(quick=chosen.quick)
    print(report)
    if not chosen.quick:
        _put_into_readme(report)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _runs(name: str, *, quick: bool) -> bool:
    command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])]
    # Each in a process of its own: the memory and the loop of one must not be seen by the next.
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


def _report(*, quick: bool) -> str:
    """Every table there is, each group under the machine that it was taken on."""
    by_machine: dict[str, list[str]] = {}
    for name in SCRIPTS:
        path = RESULTS / (f"{name}.quick.raw.json" if quick else f"{name}.json")
        if path.exists():
            result = json.loads(path.read_text())
            machine = "\n".join(f"- {what}: {value}" for what, value in result["machine"].items())
            by_machine.setdefault(machine, []).append(tables(result))
    return "\n".join(f"{machine}\n\n" + "\n".join(found) for machine, found in by_machine.items())


def _put_into_readme(report: str) -> None:
    before, _, rest = README.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    README.write_text(f"{before}{_BEGIN}\n{report}\n{_END}{after}")


if __name__ == "__main__":
    sys.exit(main())
