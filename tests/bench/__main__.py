"""`make bench`: the whole pipeline with real processes, as a table and as JSON.

Everything runs on this machine, the generator too, so its cost is part of what two cores bear. Our own stores fsync
before any receipt in every row; NATS runs with the server's default sync and with `always`. Absolute figures are the
machine's: compare rows of one run.
"""

import argparse
import asyncio
import json
import os
import platform
from pathlib import Path

from tests.bench.pipeline import Plan, Result, measure


def main() -> None:
    """Run the asked rows, print the table, write DIR/pipeline.json."""
    asked = _arguments()
    results: list[Result] = []
    for sync_always in (False, True) if asked.sync == "both" else (asked.sync == "always",):
        plan = Plan(
            seconds=asked.seconds,
            paced_seconds=asked.paced_seconds,
            mbas=asked.mbas,
            per_message=asked.per_message,
            window=asked.window,
            sync_always=sync_always,
        )
        results.append(asyncio.run(measure(plan)))
        print(_table(results[-1]), flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    written = asked.out / "pipeline.json"
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    written.write_text(json.dumps({"machine": machine, "runs": [one.to_json() for one in results]}, indent=2) + "\n")
    print(f"written: {written}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)

    def add(name: str, kind: type, default: object, text: str, **more: object) -> None:
        parser.add_argument(name, type=kind, default=default, help=f"{text} (default {default})", **more)  # type: ignore[arg-type]  # argparse's own looseness

    add("--seconds", float, 60.0, "of flood")
    add("--paced-seconds", float, 30.0, "at half the flood's rate")
    add("--mbas", int, 64, "reporting areas")
    add("--per-message", int, 8, "reports of one facility in one message, 1 to 64")
    add("--window", int, 2048, "reports that may be unanswered in the flood")
    add("--sync", str, "both", "NATS fsync", choices=("default", "always", "both"))
    add("--out", Path, Path(".bench"), "folder of the JSON")
    return parser.parse_args()


def _table(result: Result) -> str:
    paced = f"at {result.paced_per_s:.0f} reports/s"
    answers = f"{result.refusals} refusals, {result.receipts_verified} receipts verified"
    lines = [
        f"\nNATS sync: {result.nats_sync}; {result.document_bytes} bytes a report, {result.per_message} a message",
        f"  {'sustained':<24}{result.sustained_per_s:.0f} reports/s",
        f"  {paced:<24}p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms from publish to receipt",
        f"  {'answered':<24}{result.reports} reports, {answers}",
        f"  {'process':<16}{'CPU ms/report':>15}{'memory MiB':>13}{'disk B/report':>15}",
    ]
    for name, cpu in result.cpu_ms_per_report.items():
        disk = result.disk_bytes_per_report.get(name, "")
        lines.append(f"  {name:<16}{cpu:>15.3f}{result.memory_mib[name]:>13.1f}{disk:>15}")
    total = sum(cpu for name, cpu in result.cpu_ms_per_report.items() if name != "load")
    lines.append(f"  {'all but load':<16}{total:>15.3f}{'':>13}{sum(result.disk_bytes_per_report.values()):>15.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
