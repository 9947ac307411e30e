"""Verifiers that are not ours, behind one face each: "" when a proof holds, or a word on why it does not.

scitt-cose and pymerkle are Python libraries of the development group; pymerkle is under the GPL and for tests only.
"""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

import pymerkle
import scitt_cose
from cryptography.hazmat.primitives import serialization
from pymerkle import InclusionProof, InmemoryTree, InvalidProof
from scitt_cose import merkle as scitt_merkle

from slt.merkle.hashing import Digest, leaf_hash
from slt.merkle.notes import NoteVerifier
from slt.statements.signatures import ed25519_spki


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    leaf: Digest
    index: int
    size: int
    path: Sequence[Digest]
    root: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    old: int
    new: int
    old_root: Digest
    new_root: Digest
    path: Sequence[Digest]


class Pymerkle:
    """pymerkle's own tree over `entries`, and its verifier. It counts entries from 1, and has no empty tree."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._tree = InmemoryTree(algorithm="sha256")
        self._tree.append_entries(list(entries))

    def root(self, size: int) -> bytes:
        return bytes(self._tree.get_root(size))

    def path(self, index: int, size: int) -> list[bytes]:
        """The siblings on the way from the entry at `index`, counted from 0."""
        return [bytes(digest) for digest in self._tree.prove_inclusion(index + 1, size).path[1:]]

    def inclusion(self, one: Inclusion) -> str:
        shape = self._tree.prove_inclusion(one.index + 1, one.size)
        proof = InclusionProof("sha256", True, one.size, one.index + 1, shape.rule, [one.leaf, *one.path])
        try:
            pymerkle.verify_inclusion(one.leaf, one.root, proof, index=one.index + 1, size=one.size)
        except InvalidProof as error:
            return str(error)
        return ""

    def consistency(self, one: Consistency) -> str:
        """Its own proof, whose hashes are others than those of RFC 9162, between the roots given."""
        proof = self._tree.prove_consistency(one.old, one.new)
        try:
            pymerkle.verify_consistency(one.old_root, one.new_root, proof, prior_size=one.old, later_size=one.new)
        except InvalidProof as error:
            return str(error)
        return ""


class ScittCose:
    """scitt-cose: COSE receipts, and the proofs of RFC 9162 below them. Its leaves are entries, in hex."""

    @staticmethod
    def root(entries: Sequence[bytes]) -> bytes:
        return bytes.fromhex(scitt_merkle.merkle_root([entry.hex() for entry in entries]))

    @staticmethod
    def inclusion(entry: bytes, one: Inclusion) -> str:
        path = [digest.hex() for digest in one.path]
        holds = leaf_hash(entry) == one.leaf and scitt_merkle.verify_inclusion(
            entry.hex(), one.index, one.size, path, one.root.hex()
        )
        return "" if holds else "it does not hold"

    @staticmethod
    def consistency(one: Consistency) -> str:
        path = [digest.hex() for digest in one.path]
        holds = scitt_merkle.verify_consistency(one.old_root.hex(), one.new_root.hex(), one.old, one.new, path)
        return "" if holds else "it does not hold"

    @staticmethod
    def receipt(receipt: bytes, entry: bytes, vkey: str) -> str:
        """A COSE receipt about `entry`, by the key of a log's `vkey`."""
        found = scitt_cose.verify_receipt(receipt, leaf_entry_hex=entry.hex(), log_public_key_pem=pem_of(vkey))
        return "" if found.ok else "; ".join(found.errors)


def pem_of(vkey: str) -> bytes:
    spki = ed25519_spki(NoteVerifier.from_vkey(vkey).public_key)
    key = serialization.load_der_public_key(spki)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def root_in(note: str) -> tuple[int, Digest]:
    """Size and root of a checkpoint, read without our own reader."""
    _origin, size, root = note.split("\n")[:3]
    return int(size), Digest(b64decode(root))
