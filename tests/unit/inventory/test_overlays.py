"""Overlays: a tree of blocks above the final one behaves like so many copies of the whole state."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slt.inventory.keys import Kind, key
from slt.inventory.lthash import EMPTY_LANES
from slt.inventory.overlays import Overlays, UnknownBlock
from slt.inventory.state import StateHead, WholeState

_KEYS = [key(Kind.HEAD, "XL", f"M{n}") for n in range(4)] + [key(Kind.SPENT, bytes([n]) * 32) for n in range(4)]
_CHANGES = st.dictionaries(st.sampled_from(_KEYS), st.one_of(st.none(), st.integers(0, 50)), max_size=6)


def _value(number: int | None) -> bytes | None:
    return None if number is None else cbor2.dumps([number, 0, None])  # a SPENT record begins with its iat


def _head(height: int, name: int) -> StateHead:
    return StateHead(height=height, block_id=name.to_bytes(32, "big"), lanes=EMPTY_LANES, log_size=1, time_ms=height)


class OverlaysAgainstWholeStates(RuleBasedStateMachine):
    """The oracle keeps a whole dictionary for every block and forgets what does not stand on the final one."""

    @initialize(records=_CHANGES)
    def begin(self, records: dict[bytes, int | None]) -> None:
        self.named = 0
        self.base = {k: v for k, n in records.items() if (v := _value(n)) is not None}
        final = _head(0, 0)
        self.overlays = Overlays(final)
        self.states = {final.block_id: dict(self.base)}
        self.parents: dict[bytes, bytes] = {}

    @rule(changes=_CHANGES, data=st.data())
    def add(self, changes: dict[bytes, int | None], data: st.DataObject) -> None:
        parent = data.draw(st.sampled_from(sorted(self.states)))
        self.named += 1
        head = _head(self.overlays.head(parent).height + 1, self.named)
        encoded = {k: _value(n) for k, n in changes.items()}
        self.overlays.add(parent, head, encoded)
        state = self.states[parent] | {k: v for k, v in encoded.items() if v is not None}
        self.states[head.block_id] = {k: v for k, v in state.items() if encoded.get(k, v) is not None}
        self.parents[head.block_id] = parent

    @precondition(lambda self: any(p == self.overlays.final.block_id for p in self.parents.values()))
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        final = self.overlays.final.block_id
        chosen = data.draw(st.sampled_from(sorted(b for b, p in self.parents.items() if p == final)))
        changes = self.overlays.commit(chosen)
        self.base |= {k: v for k, v in changes.items() if v is not None}
        self.base = {k: v for k, v in self.base.items() if changes.get(k, v) is not None}
        self.states = {b: s for b, s in self.states.items() if b == chosen or self._stands_on(b, chosen)}
        self.parents = {b: p for b, p in self.parents.items() if b in self.states and b != chosen}

    def _stands_on(self, block: bytes, ancestor: bytes) -> bool:
        while block in self.parents:
            block = self.parents[block]
            if block == ancestor:
                return True
        return False

    @invariant()
    def every_block_reads_like_its_whole_state(self) -> None:
        for block_id, state in self.states.items():
            view, whole = self.overlays.view(block_id, WholeState(self.base)), WholeState(state)
            assert {k: view.get(k) for k in _KEYS} == {k: whole.get(k) for k in _KEYS}
            for limit_s in (0, 20, 51):
                assert view.spent_before(limit_s) == whole.spent_before(limit_s)

    @invariant()
    def nothing_else_is_kept(self) -> None:
        assert len(self.overlays) == len(self.states) - 1


TestOverlays = OverlaysAgainstWholeStates.TestCase
TestOverlays.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_committing_a_block_drops_its_siblings_and_what_stands_on_them() -> None:
    overlays = Overlays(_head(0, 0))
    overlays.add(_head(0, 0).block_id, _head(1, 1), {})
    overlays.add(_head(0, 0).block_id, _head(1, 2), {})
    overlays.add(_head(1, 2).block_id, _head(2, 3), {})

    overlays.commit(_head(1, 1).block_id)

    assert len(overlays) == 0
    with pytest.raises(UnknownBlock):
        overlays.head(_head(2, 3).block_id)


def test_a_block_on_an_unknown_parent_is_refused() -> None:
    overlays = Overlays(_head(0, 0))
    with pytest.raises(UnknownBlock):
        overlays.add(b"?" * 32, _head(1, 1), {})


def test_a_grandchild_of_the_final_block_cannot_be_committed_before_its_parent() -> None:
    overlays = Overlays(_head(0, 0))
    overlays.add(_head(0, 0).block_id, _head(1, 1), {})
    overlays.add(_head(1, 1).block_id, _head(2, 2), {})

    with pytest.raises(ValueError, match="cannot follow height 0"):
        overlays.commit(_head(2, 2).block_id)


def test_adding_a_block_twice_changes_nothing() -> None:
    overlays = Overlays(_head(0, 0))
    overlays.add(_head(0, 0).block_id, _head(1, 1), {_KEYS[0]: b"\x81\x01"})
    overlays.add(_head(0, 0).block_id, _head(1, 1), {})

    assert overlays.commit(_head(1, 1).block_id) == {_KEYS[0]: b"\x81\x01"}
