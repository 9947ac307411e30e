"""The node: effects are carried out in their order, and a refusal of a store ends signing."""

import random
from typing import Any

import msgspec
import pytest

from services.consensus import core
from services.consensus.claims import FileRegister, HeightTaken
from services.consensus.node import Arrived, Node, Outcome, Revetted
from services.consensus.signer import FileSigner, Refused, Signatures
from services.consensus.wal import Wal
from slt.consensus.authority import genesis_head
from slt.consensus.effects import Ask, Claim, Sign
from slt.consensus.events import Evaluated, Stored, VettedAgain
from slt.merkle.hashing import Digest
from slt.statements.verdicts import Code, Verdict
from tests.simulation.disk import Machine
from tests.unit.consensus.world import GENESIS, LIMITS, NOW_MS, SEQUENCER, TERM, make_item


def make_node(machine: Machine, **stores: Any) -> Node:
    given: dict[str, Any] = {
        "wal": Wal(machine.disk("wal"), genesis_head(GENESIS)),
        "register": FileRegister(machine.disk("claims")),
        "signer": FileSigner(machine.disk("signer"), SEQUENCER, GENESIS.chain_id),
    }
    return Node(genesis=GENESIS, proposer=0, term=TERM, limits=LIMITS, **(given | stores))


def started(machine: Machine, **stores: Any) -> Node:
    node = make_node(machine, **stores)
    node.start(now_ms=NOW_MS)
    node.handle([Stored(now_ms=NOW_MS, height=node.driver.head.height)])
    return node


def arrive(node: Node, *names: str) -> Outcome:
    return node.handle([Arrived(now_ms=NOW_MS, items=[make_item(name) for name in names])])


def answer(ask: Ask, *, log_size: int) -> Evaluated:
    """Accept everything."""
    ids = [id_ for formed in ask.batches for id_ in formed.statement_ids]
    return Evaluated(
        now_ms=NOW_MS,
        height=ask.height,
        time_ms=ask.time_ms,
        seqs=ask.seqs,
        verdicts=tuple(
            Verdict(statement_id=Digest(id_), code=Code.ACCEPTED, log_index=log_size + place, rules_version=1).encoded
            for place, id_ in enumerate(ids)
        ),
        state_root=bytes(32),
        parameters_root=bytes(32),
        beside=core.findings_out([[] for _ in ids]),
    )


def decide(node: Node, outcome: Outcome) -> Outcome:
    return node.handle([answer(outcome.questions[0].ask, log_size=node.driver.head.log.size)])


@pytest.fixture
def machine() -> Machine:
    return Machine(rng=random.Random(1))


def test_a_block_is_saved_then_claimed_then_signed_then_shown(machine: Machine) -> None:
    node = started(machine)
    outcome = arrive(node, "a", "b")
    machine.labels.clear()
    assert [block.height for block in decide(node, outcome).blocks] == [1]
    folders = [label.split()[-1] for label in machine.labels]
    assert folders == sorted(folders, key=["wal", "claims", "signer"].index)
    assert machine.labels[-1] == "after sync folder signer"


def test_a_block_costs_five_syncs(machine: Machine) -> None:
    node = started(machine)
    decide(node, arrive(node, "warms up"))  # files are made
    node.handle([Stored(now_ms=NOW_MS, height=1)])
    before = machine.syncs
    decide(node, arrive(node, *[f"report {number}" for number in range(200)]))
    assert machine.syncs - before == 5


def test_several_messages_cost_one_sync(machine: Machine) -> None:
    node = started(machine)
    arrive(node, "first")
    before = machine.syncs
    outcome = arrive(node, *[f"report {number}" for number in range(300)])
    assert (machine.syncs - before, outcome.flushes) == (1, 1)
    assert arrive(node, "report 7").flushes == 0, "a copy of what is durable costs none"


def revetted(outcome: Outcome, *, seq: int = 1, **change: Any) -> Revetted:
    ask = outcome.questions[0].ask
    item = msgspec.structs.replace(outcome.questions[0].items[seq][0], **change)
    event = VettedAgain(now_ms=NOW_MS, height=ask.height, time_ms=ask.time_ms, seqs=ask.seqs)
    return Revetted(event=event, items={(seq, 0): item})


def test_what_was_vetted_again_stands_in_the_next_question_in_the_block_and_in_the_log(machine: Machine) -> None:
    node = started(machine)
    outcome = node.handle([revetted(arrive(node, "a", "b"), facts_z=b"other facts", rules_version=2)])
    (question,) = outcome.questions
    assert [item.facts_z for item in question.request.batches[0].items] == [b"other facts", b""]
    items = decide(node, outcome).blocks[0].message.batches[0].items
    assert [(item.facts_z, item.rules_version) for item in items] == [(b"other facts", 2), (b"", 0)]
    found = make_node(machine).start(now_ms=NOW_MS).blocks[0].message.batches[0].items
    assert [item.facts_z for item in found] == [b"other facts", b""]


def test_an_old_answer_changes_nothing_of_a_block_that_is_being_signed(machine: Machine) -> None:
    node = started(machine)
    outcome = arrive(node, "a")
    old = revetted(outcome, facts_z=b"too late")
    block = decide(node, outcome).blocks[0]
    assert node.handle([old]).questions == []
    assert block.message.batches[0].items[0].facts_z == b""


def test_37_a_height_that_somebody_else_has_claimed_ends_signing(machine: Machine) -> None:
    class Contested(FileRegister):
        def claim(self, claim: Claim) -> None:
            raise HeightTaken(claim, Claim(term=2, height=1, block_id=bytes(32), header=b""))

    node = started(machine, register=Contested(machine.disk("claims")))
    outcome = decide(node, arrive(node, "a"))
    assert "cannot be claimed" in outcome.halt and outcome.blocks == []
    assert machine.disk("signer").names() == []
    later = arrive(node, "b")
    assert not later.taken and later.standing.step == "halted"


def test_a_signer_that_refuses_ends_signing(machine: Machine) -> None:
    class Refusing(FileSigner):
        def sign(self, request: Sign) -> Signatures:
            raise Refused("height 1 is signed")

    node = started(machine, signer=Refusing(machine.disk("signer"), SEQUENCER, GENESIS.chain_id))
    outcome = decide(node, arrive(node, "a"))
    assert outcome.halt == "height 1 is signed" and outcome.blocks == []


def test_submissions_are_found_while_they_are_here(machine: Machine) -> None:
    node = started(machine)
    first, second = make_item("a"), make_item("b")
    outcome = arrive(node, "a", "b")
    for id_ in (second.statement_id, second.submission_id):
        found = node.find(id_)
        assert found is not None and (found["state"], found["batch"], found["place"]) == ("pending", 1, 1)
    decide(node, outcome)
    found = node.find(first.statement_id)
    assert found is not None and (found["state"], found["height"]) == ("ordered", 1)
    node.handle([Stored(now_ms=NOW_MS, height=1)])
    assert node.find(first.statement_id) is None
