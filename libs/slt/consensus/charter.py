"""What an outsider knows of the ledger's parameters and versions: genesis, and the accepted changes in its log.

Every accepted governance statement stands in the log and names the height from which it counts, so whoever reads blocks
in order can say what `parameters_root` a header must have, without the state. That those who decide have approved it is
what the certified verdict says; to the reader it is enough that it was accepted.

    charter = Charter.of(genesis)
    charter = charter.at(height)            before a block: what it is made under
    charter = charter.announced(changes)    after it: what it accepted
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from slt.merkle.hashing import Digest
from slt.statements.genesis import Genesis, parameters_root
from slt.statements.governance import ActivateRules, Announcement, SetArea, SetParameter, SetReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """Parameters and versions that hold, and the changes of them that wait, in the order of acceptance."""

    parameters: Mapping[str, int]
    rules_version: int
    reference_version: int
    waiting: tuple[Announcement, ...] = ()

    @classmethod
    def of(cls, genesis: Genesis) -> "Charter":
        return cls(
            parameters=genesis.parameters,
            rules_version=genesis.rules_version,
            reference_version=genesis.reference_version,
        )

    @property
    def parameters_root(self) -> Digest:
        """What the header of a block must commit to. Computed at each call."""
        return parameters_root(self.parameters, self.rules_version, self.reference_version)

    def at(self, height: int) -> "Charter":
        """What holds for the block of `height`: all that was announced for heights up to it has taken effect."""
        due = [one for one in self.waiting if one.effective_height <= height]
        if not due:
            return self
        parameters, rules_version, reference_version = dict(self.parameters), self.rules_version, self.reference_version
        for one in sorted(due, key=lambda announcement: announcement.effective_height):
            match one.change:
                case SetParameter(name=name, value=value):
                    parameters[name] = value
                case ActivateRules(version=version):
                    rules_version = version
                case _:
                    reference_version += 1
        return Charter(
            parameters=parameters,
            rules_version=rules_version,
            reference_version=reference_version,
            waiting=tuple(one for one in self.waiting if one.effective_height > height),
        )

    def announced(self, changes: Iterable[Announcement]) -> "Charter":
        """With the changes that a block accepted, in its order. Those of keys and members are of no matter here."""
        ours = [one for one in changes if isinstance(one.change, SetParameter | ActivateRules | SetArea | SetReference)]
        return replace(self, waiting=(*self.waiting, *ours)) if ours else self
