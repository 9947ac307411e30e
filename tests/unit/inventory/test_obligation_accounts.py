"""Safeguards obligations: what of the book is under which, and rule C30."""

from collections.abc import Mapping
from dataclasses import replace

import cbor2

from slt.inventory.genesis import genesis_state
from slt.inventory.keys import Kind, key
from slt.reports.facts import EntryFacts, Share
from tests.unit.inventory.building import Ledger, report
from tests.unit.inventory.sample_world import world
from tests.unit.inventory.saying import change, deletion, flags, ledger
from tests.unit.inventory.test_genesis_state import genesis


def under(entry: EntryFacts, obligation: str, previous: str = "") -> EntryFacts:
    """`entry`, all of it under this obligation."""
    return replace(entry, obligations=(Share(obligation, previous, entry.weights),))


def account(made: Ledger, obligation: str) -> Mapping[int, int]:
    value = made.records.get(key(Kind.OBLIGATION, "XL", "XLR1", obligation))
    return {} if value is None else dict(cbor2.loads(value))


def test_receipts_and_shipments_move_the_account_of_their_obligation() -> None:
    made = ledger()
    made.accept(report(41, under(change("RF", weights={630: 100, 670: 4}), "P"), change("RF", "B2")))
    made.accept(report(42, under(change("SF", weights={630: 60, 670: 2}), "P")))
    assert account(made, "P") == {630: 40, 670: 2}


def test_a_change_of_obligation_moves_between_accounts_and_leaves_the_book() -> None:
    made = ledger()
    made.accept(report(41, under(change("RF", weights={630: 100}), "P")))
    assert flags(made, report(42, under(change("BR", weights={630: 30}), "S", "P"))) == []
    assert (account(made, "P"), account(made, "S"), made.book(630)) == ({630: 70}, {630: 30}, {630: 100})


def test_obligations_of_one_entry_are_kept_apart() -> None:
    made = ledger()
    both = (Share("P", "", ((630, 60),)), Share("S", "", ((630, 40),)))
    made.accept(report(41, replace(change("RF", weights={630: 100}), obligations=both)))
    assert (account(made, "P"), account(made, "S")) == ({630: 60}, {630: 40})


def test_c30_more_than_is_under_the_obligation_is_flagged() -> None:
    made = ledger()
    made.accept(report(41, under(change("RF", weights={630: 100}), "P")))
    assert flags(made, report(42, under(change("SR", weights={630: 101}), "S", "P"))) == ["C30"]
    assert flags(made, report(43, under(change("SF", weights={630: 10}), "S"))) == []


def test_c30_without_an_obligation_nothing_is_asked() -> None:
    made = ledger()
    assert "C30" not in flags(made, report(41, change("SF", weights={630: 5})))


def test_a_correction_and_a_deletion_take_back_what_was_moved() -> None:
    made = ledger()
    made.accept(report(41, under(change("RF", weights={630: 100}), "P")))
    corrected = under(change("RF", weights={630: 90}, status="C", target=(41, 1)), "S")
    made.accept(report(42, corrected))
    assert (account(made, "P"), account(made, "S")) == ({}, {630: 90})
    made.accept(report(43, deletion((42, 1))))
    assert not [k for k in made.records if k[1] == Kind.OBLIGATION]


def test_an_opening_inventory_says_what_its_material_is_under() -> None:
    openings = world()[1]
    one = openings[0]
    first = replace(one.entries[0], obligation="P", weights=((630, 7),))
    changed = replace(one, entries=(first, *one.entries[1:]))
    mbas = tuple(replace(mba, opening=changed.digest) if mba.opening == one.digest else mba for mba in genesis().mbas)
    records = genesis_state(replace(genesis(), mbas=mbas), (changed, *openings[1:]))
    kept = {k: cbor2.loads(v) for k, v in records.items() if k[1] == Kind.OBLIGATION}
    assert kept == {key(Kind.OBLIGATION, "XL", one.mba, "P"): [[630, 7]]}
