"""Random reports, for the properties of the Euratom conversion: Code 10 entries, and declarations field by field."""

from datetime import date

from hypothesis import strategies as st

from slt.reports import codes as code10
from slt.reports.codes import CHANGES
from slt.reports.euratom import Declaration
from slt.reports.euratom.declaration import euratom_date, write_grams
from slt.reports.euratom.fields import ANNEXES, Field
from slt.reports.euratom.materials import CONTAINERS, FORMS, STATES, Material, from_euratom
from slt.reports.quantities import format_quantity
from slt.reports.signs import CATEGORY_CHANGES

TEXT = st.text('ABCXYZ019+-* =><.,()$%"?&', min_size=1, max_size=18)
NAME = st.text("ABCXYZ019-", min_size=1, max_size=18)
DATES = st.dates(min_value=date(1970, 1, 1)).map(lambda day: day.strftime("%Y%m%d").zfill(8))
LISTS = {
    "IC CODE": "RD RF RN SD SF SN TC TE TW FC FW LA GA CE CB CC RB BR PR SR CR NP NL DI NM BJ MF RA R5 MP TU BA PB PE",
    "KMP": "1 2 &",
    "MEASUREMENT": "M N T L E F G H",
    "MATERIAL FORM": " ".join(FORMS),
    "MATERIAL CONTAINER": " ".join(CONTAINERS),
    "MATERIAL STATE": " ".join(sorted(STATES)),
    "ELEMENT CATEGORY": "P H L N D T",
    "PREVIOUS CATEGORY": "P H L N D T",
    "ISOTOPE": "G K J",
    "CORRECTION": "D A L",
    "MBA FROM": "XLF1 XLS1 XFE1 XF F Q W",
    "ISOTOPIC COMPOSITION": ";;1.5;; 1;2;3;4;5 ;",
}
FORM_EXACT = st.builds(
    Material, st.sampled_from(sorted(FORMS)), st.sampled_from(sorted(CONTAINERS)), st.sampled_from(sorted(STATES))
).map(lambda material: from_euratom(material) or "")
MATERIALS = FORM_EXACT | st.builds(
    "{}/{}/{}/{}".format,
    st.sampled_from(sorted(code10.PHYSICAL_FORMS)),
    st.sampled_from(sorted(code10.CHEMICAL_FORMS)),
    st.sampled_from(sorted(code10.CONTAINMENTS)),
    st.sampled_from(sorted(code10.QUALITIES)),
)
LABEL_SETS = st.sampled_from(
    [
        (630, 670), (630, 670, 700), (610,), (620, 780), (610, 770), (800,), (700,), (700, 710, 720, 740), (640,), (),
        (630, 640, 650, 670, 680, 690), (630, 660), (630, 640, 660, 670), (610, 620), (610, 630, 670), (600, 670),
        (630, 670, 610, 620, 700, 800), (700, 760), (630, 640),
    ]
)  # fmt: skip
ICR_CODES = [*sorted(CHANGES - CATEGORY_CHANGES.keys()), "EN", "NE", "ND", "DE", "XX"]
ICR_BOTH = sorted(CHANGES - CATEGORY_CHANGES.keys() - {"DU", "DQ", "EU", "EQ", "RM", "RP"})
MBR_BOTH = ["PB", "BA", "PE", "MF", "DI", "RD", "LD", "RABA", "NP", "LN"]
MBR_CODES = ["PB", "BA", "PE", "MF", "BE", "DI", "RD", "LD", "RABA", "RALD", "NP", "LN"]


@st.composite
def weights(
    draw: st.DrawFn, sets: st.SearchStrategy[tuple[int, ...]] = LABEL_SETS, *, negative: bool
) -> dict[str, str]:
    made = {}
    for label in draw(sets):
        mg = draw(st.integers(-(10**9) if negative else 0, 10**9) | st.integers(1, 999).map(lambda grams: grams * 1000))
        made[str(label)] = format_quantity(mg, label)
    return made


@st.composite
def entry(draw: st.DrawFn, kind: str, *, both: bool) -> dict[str, str]:
    """`both`: only what both forms can express, one by one."""
    known = MBR_BOTH if both else MBR_CODES
    code = draw(st.sampled_from(known if kind == "M" else ICR_BOTH if both else ICR_CODES))
    status = draw(st.sampled_from(["N"] * 8 + ["C/XL;4/2", "A/XL;4/7", "D/XL;4/1"] + ([] if both else ["U"])))
    made = {"309": status}
    if status.startswith("D") and (both or draw(st.booleans())):
        return made
    if kind != "P":
        made["411"] = code
    sets = st.sampled_from([(630, 670), (610,), (620, 780), (700,), (800,)]) if both else LABEL_SETS
    made |= draw(weights(sets, negative=code in {"DI", "MF", "RABA", "RALD"}))
    if kind == "M":
        return made
    made |= {
        "407": draw(st.sampled_from(["1", "2"] if both else ["1", "2", "A1"])),
        "430": draw(FORM_EXACT if both else MATERIALS),
        "446": draw(NAME),
        "469": draw(st.sampled_from(["N", "L", "M", "T"] if both else ["N", "M/5", "M/5/A"])),
        "470": str(draw(st.integers(0, 999_999 if both else 2_000_000))),
    }
    if not both and draw(st.booleans()):
        made |= draw(
            st.fixed_dictionaries({}, optional={"310": TEXT, "435": st.just("Y"), "436": TEXT, "445": st.just("L")})
        )
    if kind == "I":
        made["412"] = draw(DATES)
        partner = draw(
            st.sampled_from(["XL/XLF1", "XL/XLS1"] if code in code10.DOMESTIC else ["XF", "XF/XFE1", "FR/FABC"])
        )
        if code in code10.RECEIPTS:
            made |= {
                "370": partner,
                "447": draw(st.sampled_from([made["446"]] if both else [made["446"], "UNKNOWN", "OTHER"])),
            }
        if code in code10.SHIPMENTS:
            made["372"] = partner
    return made


@st.composite
def reports(draw: st.DrawFn) -> list[dict[str, str]]:
    """A Code 10 report of XLR1: entries first, notes behind."""
    kind = draw(st.sampled_from("IIPM"))
    both = draw(st.booleans())
    entries = draw(st.lists(entry(kind, both=both), min_size=1, max_size=7))
    if kind == "I" and draw(st.booleans()):
        entries += draw(rebatching())
    report = f"XL;{draw(st.integers(1, 99_999_999))}"
    own = {"003": draw(DATES), "207": "XLR-", "307": "XLR1"}
    head = own | {"001": f"OI/{report}", "006": "DOE,J", "010": kind}
    head["015"] = draw(DATES) if kind == "P" else f"{draw(DATES)}/{draw(DATES)}"
    notes = []
    for number, one in enumerate(entries, start=1):
        one.update(head | {"002": f"1/{len(entries)}" if number == 1 else str(number)})
        if draw(st.integers(0, 3)) == 0:
            one["390"] = "Y"
            notes.append({"099": f"E/{number}", "391": draw(TEXT | st.just("N" * (200 if both else 300)))})
    for number, note in enumerate(notes, start=1):
        note.update(own | {"001": f"NC/{report}", "002": f"1/{len(notes)}" if number == 1 else str(number)})
    return [dict(sorted(one.items())) for one in (*entries, *notes)]


@st.composite
def rebatching(draw: st.DrawFn) -> list[dict[str, str]]:
    """One batch into some, or some into one, each with the same material: what RB lines can say."""
    parts = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=4))
    common = {"309": "N", "407": "1", "412": draw(DATES), "430": draw(FORM_EXACT), "469": "M"}

    def one(code: str, batch: str, mg: int) -> dict[str, str]:
        return common | {"411": code, "446": batch, "470": "1", "620": format_quantity(mg, 620)}

    sides = draw(st.permutations(["RM", "RP"]))
    whole = [one(sides[0], "WHOLE", sum(parts)) | {"470": str(len(parts))}]
    some = [one(sides[1], f"PART-{number}", mg) for number, mg in enumerate(parts)]
    return [*whole, *some] if sides[0] == "RM" else [*some, *whole]


def _content(field: Field) -> st.SearchStrategy[str]:
    if field.tag in LISTS:
        return st.sampled_from(LISTS[field.tag].split())
    if field.type == "date":
        return DATES.map(euratom_date)
    if field.type == "weight":
        return st.builds(write_grams, st.integers(-(10**9), 10**12), st.integers(0, 3))
    if field.type == "N":
        return st.integers(0, 10 ** min(field.length, 6) - 1).map(str)
    return st.text('ABZ09+-/* =><.,():$%";?&', min_size=1, max_size=field.length)


@st.composite
def declarations(draw: st.DrawFn) -> Declaration:
    """Any declaration that the fields allow, whatever its codes mean together."""
    annex = ANNEXES[draw(st.sampled_from("IIMP"))]
    count = draw(st.integers(0, 6))
    header = {tag: draw(_content(field)) for tag, field in annex.header.items()}
    header |= {"MBA": "XLR1", "REPORT TYPE": annex.kind, "LINE COUNT": str(count)}
    lines = []
    for place in range(1, count + 1):
        some = draw(st.sets(st.sampled_from(sorted(annex.line)), max_size=len(annex.line)))
        line = {tag: draw(_content(annex.line[tag])) for tag in annex.line if tag in some}
        lines.append({"LINE NUMBER": str(place), **{tag: text for tag, text in line.items() if tag != "LINE NUMBER"}})
    return Declaration(kind=annex.kind, header=header, lines=tuple(lines))
