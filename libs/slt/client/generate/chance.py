"""Chance that is the same on every machine and Python: integers out of the one generator whose sequence is promised."""

from random import Random


class Chance:
    """A sequence of its own for each area, so that one area's events do not move another's.

    Of `random.Random` only `random()` is used: Python promises its sequence for a seed, and not what the other methods
    make of it.
    """

    def __init__(self, *seed: object) -> None:
        self._random = Random("/".join(map(str, seed)))  # noqa: S311  # synthetic data: nothing here is secret

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def about(self, amount: int, *, ppm: int, step: int = 1) -> int:
        """`amount` give or take `ppm` millionths of it, in whole `step`s."""
        spread = amount * ppm // 1_000_000
        return self.between(amount - spread, amount + spread) // step * step

    def happens(self, percent: int) -> bool:
        return self.between(1, 100) <= percent
