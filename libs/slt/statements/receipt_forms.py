"""One receipt in three forms: v1, which proves everything, and the two published ones made out of it.

A `.tlog-proof` and a COSE receipt prove that a statement stands in the log, on the word of one member's checkpoint key.
Who may order, that the block is final, what was decided: none of that has a place in them, so both carry the receipt v1
beside the published part, where other tools pass it over, unless they are made `bare`. A rejected statement is in no
log: it has no tlog-proof, and its transparent statement holds the receipt v1 alone.
"""

from typing import Final, Literal, TypeAlias

from slt.merkle.tlog_proof import FIRST_LINE, TlogProof
from slt.statements.cose_receipts import attach, make_cose_receipt
from slt.statements.receipts import parse_receipt
from slt.statements.signatures import Signer

Form: TypeAlias = Literal["v1", "tlog-proof", "cose"]
FORMS: Final[tuple[Form, ...]] = ("v1", "tlog-proof", "cose")

MEDIA_TYPES_OF: Final[dict[Form, str]] = {
    "v1": "application/cbor",
    "tlog-proof": "text/plain; charset=utf-8",
    "cose": "application/scitt-statement+cose",  # RFC 9943 section 9.4
}
SUFFIX_OF: Final[dict[Form, str]] = {"v1": ".receipt", "tlog-proof": ".tlog-proof", "cose": ".cose"}

_ANYTHING: Final = ("", "*/*", "application/*")
_ALSO: Final[dict[Form, tuple[str, ...]]] = {"cose": ("application/cose",), "tlog-proof": ("text/*",)}


class NotInTheLog(ValueError):
    """A rejected statement stands in no log, so what only proves a place there cannot be made for it."""


def form_of(data: bytes) -> Form:
    """Which form `data` claims to be, by how it begins: the text's first line, CBOR tag 18, or anything else (v1)."""
    if data.startswith(FIRST_LINE.encode()):
        return "tlog-proof"
    return "cose" if data[:1] == b"\xd2" else "v1"


def as_tlog_proof(receipt: bytes, *, bare: bool = False) -> bytes:
    """The `.tlog-proof` of a receipt v1: needs nobody's key. Raises NotInTheLog, or DecodeError."""
    read = parse_receipt(receipt)
    if read.log_proof is None:
        raise NotInTheLog("a rejected statement is not in the log: its receipt has the forms v1 and cose")
    index, path = read.log_proof
    return TlogProof(index=index, path=path, note=read.checkpoint, extra=None if bare else receipt).text().encode()


def as_cose(receipt: bytes, signer: Signer, *, bare: bool = False) -> bytes:
    """The transparent statement of a receipt v1, its COSE receipt signed by `signer`, which holds the checkpoint key.

    Raises NotInTheLog when it is to be bare and nothing would be left, or DecodeError.
    """
    read = parse_receipt(receipt)
    receipts: tuple[bytes, ...] = ()
    if read.log_proof is None:
        if bare:
            raise NotInTheLog("a rejected statement is not in the log: there is no bare receipt of it")
    else:
        index, path = read.log_proof
        receipts = (
            make_cose_receipt(
                signer,
                read.statement,
                iat=read.header.time_ms // 1000,
                index=index,
                size=read.header.log_size,
                path=path,
                root=read.header.log_root,
            ),
        )
    return attach(read.statement, receipts=receipts, evidence=None if bare else receipt)


def accepted_form(accept: str) -> Form | None:
    """The form that an HTTP Accept header asks for (RFC 9110 section 12.5.1); v1 where anything is welcome.

    The first of its media types that a receipt has, whatever weights they bear; None when there is none.
    """
    for item in accept.split(","):
        media_type = item.partition(";")[0].strip().lower()
        if media_type in _ANYTHING:
            return "v1"
        for form, own in MEDIA_TYPES_OF.items():
            if media_type in (own.partition(";")[0], *_ALSO.get(form, ())):
                return form
    return None
