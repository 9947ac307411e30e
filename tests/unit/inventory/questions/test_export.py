"""A report in any form again: from its document, and from its facts where the document is erased."""

from dataclasses import replace

import pytest

from slt.inventory.questions.asking import ask_export
from slt.inventory.questions.export import Export
from slt.inventory.questions.rows import ReportQuery
from slt.reports import judge
from slt.reports.euratom import NotExpressible, judge_as
from slt.reports.facts import Share
from slt.reports.reference import Reference
from slt.statements.statement import EURATOM_XML
from tests.unit.inventory.questions.listed_books import ListBooks
from tests.unit.inventory.sample_world import FOLDER, LATER, YEAR, facts_of, world

REFERENCE = Reference.of(world()[0], 1)


async def exported(name: str, *, form: str = "code10", erased: bool = False) -> Export:
    books = ListBooks(*world())
    books.accept(facts_of(name))
    (report,) = await books.reports(ReportQuery(as_of=1))
    document = None if erased else (FOLDER / f"{name}.code10").read_bytes()
    return await ask_export(books, report, document, form=form, reference_version=1, as_of=1)


@pytest.mark.parametrize("name", [*YEAR, *LATER])
async def test_a_document_comes_back_byte_for_byte(name: str) -> None:
    made = await exported(name)
    assert (made.source, made.findings) == ("document", ())
    assert made.document.encode() == (FOLDER / f"{name}.code10").read_bytes()


@pytest.mark.parametrize("name", [name for name in (*YEAR, *LATER) if name != "XLT1-10"])
async def test_from_facts_the_same_facts_can_be_read_again(name: str) -> None:
    made = await exported(name, erased=True)
    assert made.source == "facts"
    judged = judge(made.document.encode(), REFERENCE)
    assert judged.facts is not None, judged.findings
    facts = facts_of(name)
    digests = {one: getattr(facts, one) for one in ("document_digest", "content_digest", "notes_digest")}
    assert replace(judged.facts, **digests) == facts


async def test_what_the_facts_do_not_hold_is_named() -> None:
    made = await exported("XLR1-43", erased=True)
    assert {finding.label for finding in made.findings} == {"006", "310", "390", "435", "600"}
    assert "391:" not in made.document and "006:ERASED#" in made.document


@pytest.mark.parametrize("erased", [False, True])
async def test_a_report_is_exported_as_euratom_xml(erased: bool) -> None:
    made = await exported("XLF1-105", form="euratom-xml", erased=erased)
    judged = judge_as(made.document.encode(), EURATOM_XML, REFERENCE)
    assert judged.facts is not None, judged.findings
    assert judged.facts.entries == facts_of("XLF1-105").entries


async def test_obligations_are_named_where_code_10_has_no_label_for_them() -> None:
    books = ListBooks(*world())
    facts = facts_of("XLF1-105")
    share = Share("N", "", facts.entries[0].weights)
    books.accept(replace(facts, entries=(replace(facts.entries[0], obligations=(share,)),)))
    (report,) = await books.reports(ReportQuery(as_of=1))
    made = await ask_export(books, report, None, form="code10", reference_version=1, as_of=1)
    assert [finding.entry for finding in made.findings if "obligation" in finding.text] == ["OI/1"]


async def test_a_change_of_obligation_keeps_its_number_and_nothing_else() -> None:
    books = ListBooks(*world())
    facts = facts_of("XLF1-105")
    books.accept(replace(facts, entries=(replace(facts.entries[0], code="BR"), *facts.entries[1:])))
    (report,) = await books.reports(ReportQuery(as_of=1))
    made = await ask_export(books, report, None, form="code10", reference_version=1, as_of=1)
    assert [finding.entry for finding in made.findings if finding.label == "411"] == ["OI/1"]
    judged = judge(made.document.encode(), REFERENCE)
    assert judged.facts is not None, judged.findings
    assert [entry.status for entry in judged.facts.entries] == ["U", "N", "N", "N"]


async def test_the_text_of_an_erased_note_is_gone() -> None:
    with pytest.raises(NotExpressible, match="its text is in no facts"):
        await exported("XLT1-10", erased=True)
