"""What travels between the services: MessagePack arrays around opaque bytes.

Whatever is hashed or signed for the ledger stays the CBOR bytes of formats.md, carried here as `bytes` and never
re-encoded. A top-level message begins with its version `v`, 1 today; another one is Malformed. Unknown trailing fields
are Malformed too. Times are milliseconds since 1970 UTC, except COSE `iat`, which is seconds.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

VERSION: Final = 1

# rule, severity ("error" or "warning"), entry, label, value, expected, text: what slt.reports.Finding.to_wire() gives.
WireFinding: TypeAlias = tuple[str, str, str, str, str, str, str]

Signature: TypeAlias = Literal["good", "bad", "no key"]

# Of a service, stage or subject, where a stranger may have written it: it is quoted in logs.
Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]


class Malformed(ValueError):
    """Bytes that are not what they should be: the sentence says what was wrong. Their sender is at fault."""


class Message(msgspec.Struct, array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A value on the bus, encoded as an array of its fields in the order of the class.

    Values do not contain themselves, so the garbage collector need not follow thousands of them.
    """


class Timing(Message, frozen=True, kw_only=True):
    """When one stage received an item and when it was done with it. Outside every hash: each member's own word."""

    stage: str  # "authentication", "validation", "uniqueness", "consensus" or "ledger"
    received_ms: int
    done_ms: int


class Validity(Message, frozen=True, kw_only=True):
    """What validation finds about one statement: its part of an Item, in the same fields."""

    facts_z: bytes
    no_facts: int
    findings: list[WireFinding]
    findings_salt: bytes
    facts_salt: bytes
    rules_version: int
    reference_version: int

    @classmethod
    def of(cls, item: "Item") -> "Validity":
        return cls(**{name: getattr(item, name) for name in cls.__struct_fields__})


class Item(Message, frozen=True, kw_only=True):
    """One submission on its way. Every stage fills its part and leaves the rest as it came.

    Filling is `msgspec.structs.replace(item, ...)`: items are values.
    """

    submission_id: bytes  # 32 bytes
    statement_id: bytes  # 32 bytes; verified, because authentication refuses what it cannot verify
    statement: bytes  # COSE_Sign1 as received
    endorsements: list[bytes] = []  # approvals, of a governance statement
    body_z: bytes = b""  # one zstd frame: salt (16) and document; none of a governance statement
    state: str  # of the subject it came on, as is `mba`; both "" for a governance statement
    mba: str
    traceparent: str = ""  # "" when the trace is not sampled
    timings: list[Timing] = []
    kid: bytes = b""
    iss: str = ""
    iat: int = 0  # seconds
    signature: Signature = "good"
    endorsers: list[bytes] = []  # kids whose endorsement signature is good
    unknown_endorsers: list[bytes] = []  # kids of endorsements by keys that the registry did not have
    bad_endorsement: bool = False
    spki: bytes = b""  # as the registry had it when authentication looked
    endorser_spkis: list[bytes] = []  # in the order of `endorsers`
    body_length: int = 0  # of the inflated body
    body_digest: bytes = b""
    facts_z: bytes = b""  # zstd(CBOR facts); validation fills this field and those below
    no_facts: int = 0  # the verdict code that says why there are no facts; 0 = there are
    findings: list[WireFinding] = []
    findings_salt: bytes = b""
    facts_salt: bytes = b""
    rules_version: int = 0
    reference_version: int = 0
    ahead: list[Validity] = []  # found under announced versions; only until the item stands in a block
    change: bytes = b""  # a governance statement: CBOR of its change, and no body, facts or salts; b"" = a report

    @property
    def area(self) -> str:
        """What it is about, for people: State and MBA, or "governance"."""
        return "governance" if self.change else f"{self.state}/{self.mba}"


class BlockBatch(Message, frozen=True, kw_only=True):
    """One batch of a block with what hangs beside it: one item for each of its statements, in their order."""

    batch: bytes  # CBOR Batch
    signature: bytes
    items: list[Item]


class Block(Message, frozen=True, kw_only=True):
    """A final block. `verdicts` and `findings` have one element for each statement of the batches, in order."""

    v: int = VERSION
    height: int
    header: bytes  # CBOR Header
    certificate: bytes  # CBOR
    batches: list[BlockBatch]
    verdicts: list[bytes]  # CBOR each
    findings: list[list[WireFinding]]  # of each statement: all, C rules included


class EvaluateItem(Message, frozen=True, kw_only=True):
    """What vetting found about one statement: the fields of slt.inventory.vetting.Vetted, facts compressed."""

    statement_id: bytes
    kid: bytes
    iss: str
    iat: int  # seconds
    endorsers: list[bytes]
    unknown_endorsers: list[bytes]
    bad_endorsement: bool
    signature: Signature
    facts_z: bytes  # zstd(CBOR facts); b"" = none, and `no_facts` says why
    no_facts: int
    findings: list[WireFinding]
    findings_salt: bytes
    facts_salt: bytes
    rules_version: int
    reference_version: int
    change: bytes

    @classmethod
    def of(cls, item: Item) -> "EvaluateItem":
        """What evaluation looks at of an item."""
        return cls(**{name: getattr(item, name) for name in cls.__struct_fields__})


class EvaluateBatch(Message, frozen=True, kw_only=True):
    author: int  # member id
    seq: int
    digest: bytes
    previous: bytes  # digest of the author's batch before; chain_id for seq 1
    items: list[EvaluateItem]


class EvaluateRequest(Message, frozen=True, kw_only=True):
    """consensus -> uniqueness, on slt.evaluate: evaluate these batches, in order, on top of `parent_id`."""

    v: int = VERSION
    parent_id: bytes
    height: int  # of the block that is evaluated
    time_ms: int
    batches: list[EvaluateBatch]


class EvaluateReply(Message, frozen=True, kw_only=True):
    v: int = VERSION
    kind: Literal["evaluated", "need_parent", "need_vetting", "failed"]
    verdicts: list[bytes] = []  # CBOR each, in order of statements
    findings: list[list[WireFinding]] = []
    state_root: bytes = b""
    parameters_root: bytes = b""  # of the state after the block
    kids: list[bytes] = []  # need_vetting: the keys that vetting did not know and the parent state has
    stale: list[bytes] = []  # need_vetting: statements vetted under other versions than the parent state's
    rules_version: int = 0  # need_vetting: the versions to vet under
    reference_version: int = 0
    height: int = 0  # the highest final height that uniqueness knows
    text: str = ""  # failed: why, for the log


class VetAuthentication(Message, frozen=True, kw_only=True):
    """consensus -> authentication, on slt.vet.authentication: whose signatures are good on these, by your registry?"""

    v: int = VERSION
    items: list[Item]  # without bodies: signatures do not need them


class Authenticity(Message, frozen=True, kw_only=True):
    """What authentication finds about one statement: its part of an Item, in the same fields."""

    signature: Signature
    endorsers: list[bytes]
    unknown_endorsers: list[bytes]
    bad_endorsement: bool
    spki: bytes
    endorser_spkis: list[bytes]


class VetAuthenticationReply(Message, frozen=True, kw_only=True):
    v: int = VERSION
    found: list[Authenticity]  # in the order asked


class VetValidation(Message, frozen=True, kw_only=True):
    """consensus -> validation, on slt.vet.validation: judge these again, under these versions and no others."""

    v: int = VERSION
    rules_version: int
    reference_version: int
    items: list[Item]


class VetValidationReply(Message, frozen=True, kw_only=True):
    v: int = VERSION
    found: list[Validity]  # in the order asked


class BlockGet(Message, frozen=True, kw_only=True):
    """slt.block.young (consensus) and slt.block.get (ledger). The ledger's ask is its `stored` below `from_height`.

    Who asks is not in it: the certificate says so.
    """

    v: int = VERSION
    from_height: int
    count: int


class BlockReply(Message, frozen=True, kw_only=True):
    """Consecutive blocks from the asked height on: at least one if it is there, no more than fit into one message."""

    v: int = VERSION
    blocks: list[bytes] = []  # encoded Block each
    lowest: int = 0  # the lowest and highest heights held; 0 and 0 = none
    highest: int = 0


class StateGet(Message, frozen=True, kw_only=True):
    v: int = VERSION


class StateReply(Message, frozen=True, kw_only=True):
    """The registry, reference data and parameters of the state at `height` (slt.state.get, uniqueness)."""

    v: int = VERSION
    height: int
    block_id: bytes
    identities: list[bytes]  # CBOR each, as the arrays inside genesis
    mbas: list[bytes]
    members: list[bytes]
    parameters: dict[str, int | str]
    rules_version: int
    reference_version: int
    announced: list[bytes] = []  # CBOR each: governance changes that wait for their height


class StateChanged(Message, frozen=True, kw_only=True):
    """A core notification on slt.state.changed: ask again. It may be lost; the poll finds out."""

    v: int = VERSION
    height: int


class ReceiptGet(Message, frozen=True, kw_only=True):
    v: int = VERSION
    statement_ids: list[bytes]


class ReceiptReply(Message, frozen=True, kw_only=True):
    v: int = VERSION
    receipts: list[bytes | None]  # in the order asked; None = no final verdict


class Again(Message, frozen=True, kw_only=True):
    """slt.again: publish the receipts of these statements once more."""

    v: int = VERSION
    items: list[tuple[bytes, str, str]]  # statement id, State, MBA


class AgainReply(Message, frozen=True, kw_only=True):
    v: int = VERSION
    issued: list[bool]  # in the order asked


class Envelope(Message, frozen=True, kw_only=True):
    """The signed form of what one stage says to the next; see slt.bus.stage."""

    v: int = VERSION
    stage: Name
    service: Name
    member: int
    certificate: bytes  # CBOR ServiceCertificate of the sender
    signature: bytes
    payload: bytes


class Said(Message, frozen=True, kw_only=True):
    """The signed form of a question and of what is said to it; see slt.bus.requests."""

    v: int = VERSION
    kind: Literal["ask", "answer", "decline"]
    subject: Name
    service: Name
    member: int
    bound: bytes  # 32 bytes; ask: random; otherwise the SHA-256 of the ask's bytes
    certificate: bytes  # CBOR ServiceCertificate of the sender
    signature: bytes
    payload: bytes  # the encoded message; decline: why, UTF-8


class Parked(Message, frozen=True, kw_only=True):
    """What a stage gave up on, for a person: the bytes as they came, and why."""

    v: int = VERSION
    stage: str
    reason: str
    subject: str
    sequence: int  # in its stream
    attempts: int
    time_ms: int
    data: bytes  # cut to the bytes that fit beside the rest; `size` is the whole length
    size: int


M = TypeVar("M")

_encoder: Final = msgspec.msgpack.Encoder()
_decoders: Final[dict[Any, msgspec.msgpack.Decoder[Any]]] = {}


def encode(message: Message | list[Item]) -> bytes:
    """The MessagePack bytes of a message, or of the items of a batch."""
    return _encoder.encode(message)


def decode(kind: type[M], data: bytes | memoryview) -> M:
    """Read one message of `kind` (or `list[Item]`). Raises Malformed, which says what is wrong and where."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        message: M = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"not a {_name(kind)}: {error}") from error
    if getattr(message, "v", VERSION) != VERSION:
        raise Malformed(f"a {_name(kind)} of version {getattr(message, 'v')}; this program reads version {VERSION}")  # noqa: B009 - M is not bound to what has a version
    return message


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))
