"""The one table of streams and durable consumers. Every service declares it at start; declaring twice changes nothing.

Between stages the streams are work queues that refuse what does not fit (`discard: new`): back-pressure reaches the
publisher, and nothing is thrown away. The pipeline is one stream for each hand-over and not one for all three: if
they shared a limit, a backlog of authenticated reports would take the room that validation needs to publish what it
has done, and neither could ever move again.
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from slt.bus import subjects

MIB: Final = 1024 * 1024

MAX_PAYLOAD_BYTES: Final = 8 * MIB  # a document of 100,000 entries travels whole (architecture section 7)
DUPLICATE_WINDOW_S: Final = 120.0  # the server keeps 290 bytes in memory for each id so long; a courtesy, not a promise
ACK_WAIT_S: Final = 10.0  # what a killed service held comes again so soon; live ones extend at a third of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream. Sizes count messages with their headers, as the server does."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["workqueue", "limits"]
    discard: Literal["new", "old"]
    bytes_max: int
    age_max_s: float  # 0 = no limit
    reason: str
    messages_max: int = -1
    duplicate_window_s: float = DUPLICATE_WINDOW_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A durable consumer. The server redelivers without limit: giving up is a decision of code, which parks."""

    name: str
    stream: str
    filter: str
    ack_pending_max: int  # messages delivered and not yet done, over all replicas of the service
    reason: str
    ack_wait_s: float = ACK_WAIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    streams: tuple[Stream, ...]
    consumers: tuple[Consumer, ...]

    def stream(self, name: str) -> Stream:
        return next(stream for stream in self.streams if stream.name == name)

    def consumer(self, name: str) -> Consumer:
        """Raises KeyError, which lists the names there are."""
        for consumer in self.consumers:
            if consumer.name == name:
                return consumer
        raise KeyError(f"no consumer {name!r}; there are {', '.join(c.name for c in self.consumers)}")

    def stream_of(self, subject: str) -> Stream | None:
        """The stream that stores what is published on `subject`, or None."""
        return next((s for s in self.streams if any(matches(p, subject) for p in s.subjects)), None)


ANSWERS: Final = "ANSWERS"

TABLE: Final = Table(
    streams=(
        Stream(
            name="SUBMISSIONS",
            subjects=(subjects.SUBMIT_ALL,),
            retention="workqueue",
            discard="new",
            bytes_max=512 * MIB,
            age_max_s=0.0,
            reason="some 300,000 small reports may wait at the door; then outboxes keep theirs and try again",
        ),
        *(
            Stream(
                name=f"PIPELINE-{subject.rpartition('.')[2].upper()}",
                subjects=(subject,),
                retention="workqueue",
                discard="new",
                bytes_max=256 * MIB,
                age_max_s=0.0,
                reason="a stage that cannot go on holds up the one before it after this much, and no other",
            )
            for subject in (subjects.AUTHENTICATED, subjects.VALIDATED, subjects.ADMITTED)
        ),
        Stream(
            name="BLOCKS",
            subjects=(subjects.BLOCK,),
            retention="limits",
            discard="old",
            bytes_max=256 * MIB,
            age_max_s=86_400.0,
            reason="a hint: whoever misses one asks for the height, so old ones may go",
        ),
        Stream(
            name=ANSWERS,
            subjects=(
                subjects.RECEIPT_ALL,
                subjects.REFUSED_ALL,
                subjects.RECEIPT_GOVERNANCE,
                subjects.REFUSED_GOVERNANCE,
            ),
            retention="limits",
            discard="old",
            bytes_max=512 * MIB,
            age_max_s=30 * 86_400.0,
            reason="the submission window: an answer older than it can be asked for again (slt.again)",
        ),
        Stream(
            name="PARKED",
            subjects=(subjects.PARKED_ALL,),
            retention="limits",
            discard="old",
            bytes_max=64 * MIB,
            age_max_s=90 * 86_400.0,
            reason="for a person to look at; garbage from outside must not be able to fill it and stop the door",
        ),
    ),
    consumers=(
        Consumer(
            name="authentication",
            stream="SUBMISSIONS",
            filter=subjects.SUBMIT_ALL,
            ack_pending_max=2048,
            reason="a facility may send one report a message: this many fill several batches of 64",
        ),
        *(
            Consumer(
                name=service,
                stream=f"PIPELINE-{subject.rpartition('.')[2].upper()}",
                filter=subject,
                ack_pending_max=256,
                reason="a message is up to 64 reports: some batches in work and some on their way, for each replica",
            )
            for service, subject in (
                ("validation", subjects.AUTHENTICATED),
                ("uniqueness", subjects.VALIDATED),
                ("consensus", subjects.ADMITTED),
            )
        ),
        *(
            Consumer(
                name=name,
                stream="BLOCKS",
                filter=subjects.BLOCK,
                ack_pending_max=32,
                reason="blocks of up to 6 MiB, read in order of height by one process",
            )
            for name in ("ledger-blocks", "uniqueness-blocks")
        ),
    ),
)


class Declares(Protocol):
    """A bus that can make streams and consumers."""

    async def declare(self) -> None:
        """Make what its table names and is not there; bring what is there to the table."""


async def declare(bus: Declares) -> None:
    """Make every stream and consumer of the bus's table. Idempotent. Raises BusDown after the bus's patience."""
    await bus.declare()


def matches(pattern: str, subject: str) -> bool:
    """Whether `subject` matches `pattern` with `*` (one token) and a last `>` (one or more)."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, part in enumerate(wanted):
        if part == ">":
            return len(given) > position
        if position >= len(given) or part not in ("*", given[position]):
            return False
    return len(wanted) == len(given)
