"""What other services ask: evaluate a proposal, give a copy of the registry."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.uniqueness.core import STAGE
from services.uniqueness.evaluations import Evaluations, Key
from services.uniqueness.follower import Follower
from services.uniqueness.registry import read_registry
from services.uniqueness.store import Store
from slt.bus.messages import EvaluateReply, EvaluateRequest, Malformed, StateGet, StateReply
from slt.bus.subjects import EVALUATE, STATE_GET
from slt.inventory.books import RegistryCopy
from slt.inventory.evaluate import Evaluation, NeedVetting, ProposalFault, UnknownRules
from slt.inventory.overlays import UnknownBlock
from slt.inventory.vetting import BadVetting
from slt.reports.facts import BadFacts
from slt.reports.rules import RULES_VERSIONS
from slt.runtime.run import Runtime
from slt.statements.cbor import encode as encode_cbor
from slt.statements.governance import ActivateRules

PARENT_WITHIN_S: Final = 1.0  # the parent's block is on its way to us as well
PROPOSALS_AT_ONCE: Final = 2  # one is evaluated, one waits; consensus has one under way
STATE_ASKED_AT_ONCE: Final = 4


class Requests:
    """Handlers of slt.evaluate and slt.state.get. Both only read."""

    def __init__(self, runtime: Runtime, store: Store, evaluations: Evaluations, follower: Follower) -> None:
        self._runtime = runtime
        self._store = store
        self._evaluations = evaluations
        self._follower = follower
        self.unknown_rules: str | None = None  # a rule set that counts, or is announced, and that this program lacks
        self._copy: StateReply | None = None  # the last reply, good while its height is
        self._duration = runtime.telemetry.metrics.histogram(
            "slt.uniqueness.evaluate.duration", "Time to answer slt.evaluate", "kind"
        )

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer while the context is open."""
        answering = self._runtime.answering
        async with (
            answering(EVALUATE, EvaluateRequest, self.evaluate, concurrency=PROPOSALS_AT_ONCE),
            answering(STATE_GET, StateGet, self.state, concurrency=STATE_ASKED_AT_ONCE),
        ):
            yield

    async def evaluate(self, request: EvaluateRequest, _asker: str) -> EvaluateReply:
        """Never raises for what is in `request`: a proposal that cannot be is `failed`."""
        began_ms = self._runtime.now_ms()
        reply = await self._evaluated(request)
        self._duration.observe((self._runtime.now_ms() - began_ms) / 1000, kind=reply.kind)
        if reply.kind != "evaluated":
            self._runtime.log.warning(
                "evaluate", stage=STAGE, kind=reply.kind, text=reply.text, kids=len(reply.kids), height=reply.height
            )
        return reply

    async def _evaluated(self, request: EvaluateRequest) -> EvaluateReply:
        try:
            key = Key(
                parent_id=request.parent_id,
                height=request.height,
                time_ms=request.time_ms,
                batches=tuple(batch.digest for batch in request.batches),
            )
            if not await self._follower.wait_for(request.parent_id, PARENT_WITHIN_S):
                return self._need_parent()
            return self._reply(await self._evaluations.evaluate(key, request.batches))
        except UnknownBlock:
            return self._need_parent()
        except NeedVetting as need:
            return EvaluateReply(
                kind="need_vetting",
                kids=sorted(need.kids),
                stale=sorted(need.stale),
                rules_version=need.rules_version,
                reference_version=need.reference_version,
                height=self._evaluations.final.height,
            )
        except (ProposalFault, UnknownRules, BadVetting, BadFacts, Malformed) as error:
            return EvaluateReply(kind="failed", text=str(error), height=self._evaluations.final.height)

    def _need_parent(self) -> EvaluateReply:
        return EvaluateReply(kind="need_parent", height=self._evaluations.final.height)

    def _reply(self, evaluation: Evaluation) -> EvaluateReply:
        return EvaluateReply(
            kind="evaluated",
            verdicts=list(evaluation.encoded_verdicts),
            findings=[list(findings) for findings in evaluation.findings],
            state_root=evaluation.state_root,
            parameters_root=evaluation.parameters_root,
            height=self._evaluations.final.height,
        )

    async def state(self, _question: StateGet, _asker: str) -> StateReply:
        """The registry of the last final state: the same for whoever asks."""
        if self._copy is None or self._copy.height != self._evaluations.final.height:
            self._copy = await self._state()
        return self._copy

    async def _state(self) -> StateReply:
        head = self._evaluations.final
        registry = await read_registry(self._store)
        self.unknown_rules = _unknown_rules(registry)
        return StateReply(
            height=head.height,
            block_id=head.block_id,
            identities=[encode_cbor(identity.to_value()) for identity in registry.identities],
            mbas=[encode_cbor(mba.to_value()) for mba in registry.mbas],
            members=[encode_cbor(member.to_value()) for member in registry.members],
            parameters=dict(registry.parameters),
            rules_version=registry.parameters["rules_version"],
            reference_version=registry.parameters["reference_version"],
            announced=[announcement.encoded for announcement in registry.announced],
        )


def _unknown_rules(registry: RegistryCopy) -> str | None:
    """Which rule set this program does not have; from its height on it evaluates nothing."""
    versions = [(0, registry.parameters["rules_version"])]
    versions += [
        (one.effective_height, one.change.version)
        for one in registry.announced
        if isinstance(one.change, ActivateRules)
    ]
    for height, version in versions:
        if version not in RULES_VERSIONS:
            when = f"counts from height {height} on" if height else "counts now"
            known = " and ".join(map(str, sorted(RULES_VERSIONS)))
            return f"rule set {version} {when}, this program has {known}: install the release"
    return None
