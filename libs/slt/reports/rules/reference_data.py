"""V15, V16, V21, V34, V37, V38: the report against the reference data (reports.md 3.1, 3.2)."""

from collections.abc import Iterator

from slt.reports import codes
from slt.reports.entry import READ_MAX, Entry, read_date, read_number
from slt.reports.findings import shown
from slt.reports.rules.registry import LIVE, Context, Problem, Report, entry_rule, report_rule
from slt.statements.genesis import Mba


@report_rule("V15", "reports.md 3.1")
def area_and_facility(report: Report) -> Iterator[Problem]:
    """307 is an area of the reference data, 207 its facility, and it is open in the reporting period."""
    context = report.context
    head = context.head
    code = head.labels.get("307", "")
    mba = context.mba
    if mba is None:
        if len(code) == 4 and head.country and code not in context.reference.owners:
            yield Problem(
                "No material balance area of this code is known. Correct label 307, or have the State authority "
                "register the area.",
                "307",
                shown(code),
                _codes_of(context, head.country),
                head.name,
            )
        return
    facility = head.labels.get("207", "")
    if len(facility) == 4 and facility != mba.facility:
        yield Problem(
            f"Area {mba.mba} belongs to facility {mba.facility}. Correct label 207 or 307.",
            "207",
            shown(facility),
            mba.facility,
            head.name,
        )
    if context.kind in {"P", "M"}:
        yield from _closed(mba, "015", context.period[1] if context.period else "", head.name)
    elif context.kind == "T":
        yield from _closed(mba, "003", context.date, head.name)


@entry_rule("V15", "reports.md 3.1")
def measurement_point_and_open_area(entry: Entry, context: Context) -> Iterator[Problem]:
    """407 is a key measurement point of the area, and the area is open on the date of the change."""
    mba = context.mba
    if mba is None:
        return
    kmp = entry.labels.get("407")
    if kmp and len(kmp) <= 2 and kmp not in mba.flow_kmps and kmp not in mba.inventory_kmps:
        known = " ".join((*mba.flow_kmps, *mba.inventory_kmps))
        yield Problem(f"Area {mba.mba} has no such key measurement point. Correct label 407.", "407", shown(kmp), known)
    if "412" in entry.labels:
        yield from _closed(mba, "412", read_date(entry.labels["412"][:READ_MAX]) or "", "")


def _closed(mba: Mba, label: str, date: str, entry: str) -> Iterator[Problem]:
    if date and (date < mba.opened or (mba.closed and date > mba.closed)):
        span = f"{mba.opened} to {mba.closed}" if mba.closed else f"from {mba.opened}"
        yield Problem(
            f"Area {mba.mba} was not open on this date. Correct the date, or have the State authority correct "
            "the register.",
            label,
            date,
            span,
            entry,
        )


def _codes_of(context: Context, country: str) -> str:
    """The areas of a State, for a message."""
    return shown(" ".join(mba.mba for mba in context.reference.mbas.values() if mba.state == country))


@report_rule("V16", "reports.md 3.1")
def owner_of_the_area(report: Report) -> Iterator[Problem]:
    """The country in 001 is the one that the area belongs to."""
    context = report.context
    head = context.head
    owners = context.reference.owners.get(head.labels.get("307", ""), ())
    if context.mba is None and head.country and owners:
        yield Problem(
            "The area belongs to another State than the one in 001. Correct label 001 or 307.",
            "001",
            shown(head.country),
            " ".join(owners),
            head.name,
        )


@entry_rule("V21", "reports.md 3.2", codes=codes.RECEIPTS | codes.SHIPMENTS)
def partner(entry: Entry, context: Context) -> Iterator[Problem]:
    """The partner of RD and SD is another area of the same State, that of RF and SF is abroad."""
    if entry.status in {"D", "U"}:
        return
    label = "370" if entry.code in codes.RECEIPTS else "372" if entry.code in codes.SHIPMENTS else ""
    value = entry.labels.get(label)
    if value is None or not entry.country:
        return
    country, _, area = value.partition("/")
    abroad = country != entry.country
    if entry.code in codes.DOMESTIC:
        if abroad:
            foreign = "RF" if label == "370" else "SF"
            yield Problem(
                f"{entry.code} is domestic, and this partner is in another State. Correct the partner, "
                f"or use {foreign}.",
                label,
                shown(value),
                f"{entry.country}/XXXX",
            )
        elif area == entry.labels.get("307"):
            yield Problem(
                "The partner is the reporting area itself. Name the other area; a change within one area is "
                "reported by RM and RP.",
                label,
                shown(value),
                "another area",
            )
        elif context.reference.mba(country, area) is None:
            yield Problem(
                "The partner is no area of this State that is known here. Correct it; a domestic partner is named "
                "with its area.",
                label,
                shown(value),
                _codes_of(context, country),
            )
    elif not abroad:
        domestic = "RD" if label == "370" else "SD"
        yield Problem(
            f"{entry.code} is across the border, and this partner is in the own State. Correct the partner, "
            f"or use {domestic}.",
            label,
            shown(value),
            "another State",
        )


@entry_rule("V34", "reports.md 3.2, 1.3", kinds="IP", statuses=LIVE, severity="warning")
def kind_of_measurement_point(entry: Entry, context: Context) -> Iterator[Problem]:
    """A change passes a flow measurement point; what a listing names lies at one for inventory."""
    mba = context.mba
    kmp = entry.labels.get("407")
    if mba is None or kmp is None:
        return
    wanted, other = mba.flow_kmps, mba.inventory_kmps
    flow = context.kind == "I"
    if not flow:
        wanted, other = other, wanted
    if kmp in other and kmp not in wanted:
        is_, needs = ("inventory", "flow") if flow else ("flow", "inventory")
        yield Problem(
            f"This key measurement point is for {is_}, and this type of report needs one for {needs}. "
            "Correct label 407.",
            "407",
            kmp,
            " ".join(wanted),
        )


@entry_rule("V37", "reports.md 3.2, 1.3", kinds="IP", statuses=LIVE, severity="warning")
def items_of_the_area(entry: Entry, context: Context) -> Iterator[Problem]:
    """In an item area every entry is of at least one item; in a bulk area of as many as the profile says."""
    mba = context.mba
    if mba is None:
        return
    least = 1 if mba.kind == "item" else context.profile.bulk_items_min
    if not least:
        return
    items = read_number(entry.labels.get("470", ""))
    if items is not None and items < least:
        where = "an area of items" if mba.kind == "item" else f"an area of profile {context.profile.name}"
        yield Problem(
            f"Area {mba.mba} is {where}, where an entry has at least {least}. State the number of items.",
            "470",
            str(items),
            f"{least} or more",
        )


@entry_rule("V38", "reports.md 3.2, 1.4", kinds="I", statuses=LIVE, codes=codes.OUTGOING, severity="warning")
def plutonium_of_irradiated_fuel(entry: Entry, context: Context) -> Iterator[Problem]:
    """Irradiated fuel that leaves a reactor states its plutonium."""
    if context.mba is None or context.mba.type != "reactor" or "700" in entry.labels:
        return
    material = entry.labels.get("430", "")
    if material.endswith(f"/{codes.IRRADIATED_FUEL}"):
        yield Problem(
            "Irradiated fuel leaves a reactor with the plutonium that was made in it. Add its weight in label 700, "
            "or correct the material description.",
            "700",
            "",
            f"700 with {shown(material)}",
        )
