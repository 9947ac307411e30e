"""The benchmark's world: many bulk facilities of one State, and as many of their reports as a run needs.

A report is an inventory change report with four measured discards, about 1.5 KB of Code 10 with the optional record
ids and descriptions that real ones carry. It obeys every rule; the numbers of an MBA are consecutive.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

STATE: Final = "XL"
ORIGIN: Final = "bench.example/xl"
ENTRIES_PER_REPORT: Final = 4


def mba_codes(count: int) -> list[str]:
    """`count` MBA codes, B000 on; at most 1000."""
    assert 0 < count <= 1000, "the benchmark's codes have three digits"
    return [f"B{number:03d}" for number in range(count)]


def write_world(folder: Path, mbas: list[str]) -> Path:
    """Write the world file and the opening inventories below `folder`; return the world file."""
    (folder / "openings").mkdir(parents=True)
    parts = [f'origin = "{ORIGIN}"\n\n[parameters]\n']
    for mba in mbas:
        parts.append(f"""
[[mba]]
state = "{STATE}"
mba = "{mba}"
facility = "{mba}"
type = "fabrication"
kind = "bulk"
flow_kmps = ["1", "2", "3"]
inventory_kmps = ["A"]
opened = "19900101"
closed = ""
profile = "iaea"
endorsement = "none"
unified = false
last_report_number = 0
last_pit = "20241231"
opening = "openings/{mba}.csv"

[[identity]]
name = "{mba.lower()}"
role = "reporter"
state = "{STATE}"
mbas = ["{mba}"]
""")
        (folder / "openings" / f"{mba}.csv").write_text(
            "batch,kmp,material,items,630,670\nPOWDER-1,A,G/Q/K/B,0,900000000G,39600000G\n", encoding="ascii"
        )
    parts.append('\n[[member]]\nname = "bench"\n')
    world = folder / "world.toml"
    world.write_text("".join(parts), encoding="ascii")
    return world


def reports_of(mba: str) -> Iterator[bytes]:
    """The reports of one MBA in the order of their numbers, without end."""
    number = 0
    while True:
        number += 1
        yield _report(mba, number)


def _report(mba: str, number: int) -> bytes:
    lines = []
    for entry in range(1, ENTRIES_PER_REPORT + 1):
        serial = hashlib.sha256(f"{mba}/{number}/{entry}".encode()).hexdigest().upper()
        total = f"/{ENTRIES_PER_REPORT}" if entry == 1 else ""
        description = (
            f"LIQUID WASTE FROM CLEANING OF PELLET PRESS {serial[:6]}, TANK {serial[6:10]}, SAMPLE {serial[10:26]}"
        )
        lines.append(
            f"001:OI/{STATE};{number}#002:{entry}{total}#003:20250407#006:DOE,J#010:I#015:20250301/20250331#"
            f"207:{mba}#307:{mba}#309:N#310:{serial[:40]}#407:3#411:LD#412:202503{1 + number % 28:02d}#430:U/J/N/E#"
            f"435:N/{serial[40:52]}#436:{description}#446:LW{number:08d}-{entry}#469:M#470:0#"
            f"630:{25 + entry}.{number % 1000:03d}G#670:1.{entry:03d}G#"
        )
    return ("\n".join(lines) + "\n").encode("ascii")
