"""The rules about terms of a private ledger (consensus.md 6.2 point 1; formats.md "term certificate").

A term says who may sign which heights. Its certificate is signed by the term authority that genesis names. Who holds
two certificates checks here that they do not contradict each other: a deposed sequencer's later blocks are invalid to
every reader, whatever any clock says.
"""

from dataclasses import dataclass, replace

from slt.statements.genesis import Genesis
from slt.statements.headers import Header
from slt.statements.terms import BadTerm, TermCertificate, verify_term


def check_covers(term: TermCertificate, header: Header) -> None:
    """Raise BadTerm unless a block with `header` may stand under `term`.

    The term has begun at its height; its first block has the parent that the certificate pins; its time is not past
    the certificate's.
    """
    if header.height < term.start_height:
        raise BadTerm(f"block {header.height} is before term {term.term}, which starts at {term.start_height}")
    if header.height == term.start_height and header.parent_id != term.parent_id:
        raise BadTerm(
            f"term {term.term} starts on block {term.parent_id.hex()}, and block {header.height} has the parent "
            f"{header.parent_id.hex()}"
        )
    if term.not_after is not None and header.time_ms > term.not_after:
        raise BadTerm(f"block {header.height} has time {header.time_ms}; its term is over at {term.not_after}")


def renews(old: TermCertificate, new: TermCertificate) -> bool:
    """Whether `new` is `old` with a later end and nothing else changed, signatures aside."""
    if old.not_after is None or new.not_after is None or new.not_after <= old.not_after:
        return False
    return replace(new, not_after=old.not_after, signatures=old.signatures) == old


@dataclass(frozen=True, slots=True)
class Terms:
    """Certificates that were seen, one for each term, in ascending order, free of contradiction."""

    known: tuple[TermCertificate, ...] = ()

    def with_term(self, term: TermCertificate, genesis: Genesis) -> "Terms":
        """These and `term`. Raises BadTerm for a bad certificate, and for a second, different one of a known term.

        A renewal takes the place of what it renews. Later terms start at a later height.
        """
        verify_term(term, genesis)
        others = [known for known in self.known if known.term != term.term]
        for known in self.known:
            if known.term == term.term and not _same(known, term) and not renews(known, term):
                if renews(term, known):
                    return self
                raise BadTerm(f"two certificates for term {term.term}: the authority's keys are misused")
        for known in others:
            if (known.term < term.term) != (known.start_height < term.start_height):
                raise BadTerm(
                    f"term {term.term} starts at {term.start_height} and term {known.term} at {known.start_height}"
                )
        return Terms(tuple(sorted([*others, term], key=lambda known: known.term)))

    def at(self, height: int) -> TermCertificate:
        """The one term with start_height <= height < the next term's start. Raises BadTerm if there is none."""
        covering = [term for term in self.known if term.start_height <= height]
        if not covering:
            raise BadTerm(f"no term covers block {height}")
        return covering[-1]


def _same(one: TermCertificate, other: TermCertificate) -> bool:
    """The same fact, whoever signed it."""
    return replace(one, signatures=()) == replace(other, signatures=())
