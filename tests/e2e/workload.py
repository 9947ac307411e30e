"""A world of bulk facilities, and as many coherent reports of each as a test wants."""

from collections.abc import Iterator
from pathlib import Path

ORIGIN = "workload.example/xl"
LOTS = ("A", "B", "C", "D")  # entries of a report: about 1.5 KB in all


def mba_codes(count: int) -> list[str]:
    """Codes of `count` areas: XW01, XW02, ..."""
    return [f"XW{number:02}" for number in range(1, count + 1)]


def write_world(path: Path, mbas: int, *, more: str = "") -> Path:
    """A world file with `mbas` areas, each with a reporter of its own, empty at the beginning. `more` is TOML."""
    parts = [f'origin = "{ORIGIN}"', '[[member]]\nname = "agency"']
    for code in mba_codes(mbas):
        parts.append(
            f'[[mba]]\nstate = "XL"\nmba = "{code}"\nfacility = "{code[:3]}-"\ntype = "fabrication"\nkind = "bulk"\n'
            'flow_kmps = ["1"]\ninventory_kmps = ["A"]\nopened = "20200101"\nlast_pit = "20241231"'
        )
        parts.append(f'[[identity]]\nname = "{code.lower()}"\nrole = "reporter"\nstate = "XL"\nmbas = ["{code}"]')
    path.write_text("\n\n".join([*parts, more]) + "\n", encoding="utf-8")
    return path


def documents(mba: str, count: int) -> Iterator[tuple[str, bytes]]:
    """File names and documents of reports 1 to `count` of an area: receipts from abroad, four batches each.

    Every tenth report corrects the first entry of the one before, so that the order within an area matters.
    """
    for number in range(1, count + 1):
        corrects = number % 10 == 0
        lines = [_entry(mba, number, place, corrects=corrects) for place in range(1, 2 if corrects else len(LOTS) + 1)]
        yield f"{mba}-{number}.code10", ("\n".join(lines) + "\n").encode("ascii")


def _entry(mba: str, number: int, place: int, *, corrects: bool) -> str:
    reported = number - 1 if corrects else number
    status = f"C/XL;{reported}/1" if corrects else "N"
    month, day = 1 + (reported // 20) % 12, 1 + reported % 20
    dated = f"2025{month + 1:02}10" if month < 12 else "20260110"  # in time: within 30 days after the month
    total = f"{place}" if place > 1 else f"1/{1 if corrects else len(LOTS)}"
    grams = 1_500_000 + 1000 * place + (7 if corrects else 0)
    batch = f"CY-{reported:04}{LOTS[place - 1]}"
    return (
        f"001:OI/XL;{number}#002:{total}#003:{dated}#006:DOE,J#010:I#015:2025{month:02}01/2025{month:02}28#"
        f"207:{mba[:3]}-#307:{mba}#309:{status}#370:XF/XFE1#407:1#411:RF#412:2025{month:02}{day:02}#430:O/G/R/B#"
        f"446:{batch}#447:{batch}#469:N#470:1#630:{grams}G#670:{grams // 25}G#"
    )
