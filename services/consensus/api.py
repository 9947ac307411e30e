"""HTTP: where the order of blocks stands, for people and for `slt status`."""

from typing import Any

from fastapi import APIRouter, HTTPException

from services.consensus.service import Service
from slt.statements.terms import TermCertificate


def make_router(service: Service, term: TermCertificate) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["consensus"])
    genesis = service.runtime.genesis

    @router.get("/status", summary="Model, term, height, what is under way, who is behind")
    async def status() -> dict[str, Any]:
        standing = service.standing
        now_ms = service.runtime.now_ms()
        return {
            "model": genesis.model,
            "chain_id": genesis.chain_id.hex(),
            "member": service.config.member,
            "term": {"term": term.term, "start_height": term.start_height, "not_after": term.not_after},
            "height": standing.height,
            "block": {
                "block_id": standing.block_id.hex(),
                "time_ms": standing.time_ms,
                "log_size": standing.log_size,
                "last_batch": standing.batch_seq,
            },
            "step": standing.step,
            "halted": standing.halted,
            "waiting": service.runtime.health.waiting,
            "pending": {
                "batches": standing.pending_batches,
                "reports": standing.pending_reports,
                "bytes": standing.pending_bytes,
            },
            "stored": standing.stored,
            "unstored": standing.unstored,
            "asked": {
                who: {"has": height - 1, "behind": max(0, standing.height - height + 1), "ago_ms": now_ms - at_ms}
                for who, (height, at_ms) in sorted(service.asked.items())
            },
        }

    @router.get("/members", summary="The members of this ledger, as genesis names them")
    async def members() -> dict[str, Any]:
        return {
            "epoch": 0,
            "members": [
                {
                    "id": member.id,
                    "name": member.name,
                    "consensus_key": member.consensus_key.hex(),
                    "weight": member.weight,
                    "checkpoint_vkey": member.checkpoint_vkey,
                    "address": member.address,
                }
                for member in genesis.members
            ],
        }

    @router.get("/evidence", summary="Proofs that a member broke the protocol")
    async def evidence() -> dict[str, Any]:
        return {
            "evidence": [],
            "meaning": "In a private ledger one authority orders, and nobody votes: there is no vote that could "
            "contradict another. Two signed blocks at one height would be shown by their readers.",
        }

    @router.get("/reports/{id}", summary="What this service knows of a submission or statement")
    async def report(id: str) -> dict[str, Any]:  # noqa: A002 - the name in the path is the interface
        try:
            found = await service.find(bytes.fromhex(id))
        except ValueError:
            raise HTTPException(400, "the id of a submission or statement is 64 hex digits") from None
        if found is None:
            raise HTTPException(404, "not here: not admitted yet, or stored by the ledger already")
        return {"stage": "consensus", **found}

    return router
