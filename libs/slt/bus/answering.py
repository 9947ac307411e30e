"""Reading ANSWERS in order, for clients: the cursor is theirs, the broker keeps nothing that lasts."""

import secrets
from collections.abc import Sequence
from typing import Final

from nats.aio.client import Client

from slt.bus.jsapi import ask, nanoseconds
from slt.bus.pulling import Arrival, PulledDelivery
from slt.bus.streams import ANSWERS

IDLE_S: Final = 60.0  # the server forgets the consumer of a client that is gone so long


class AnswersCursor:
    """Makes a consumer that begins after the last message read, as often as one is lost."""

    def __init__(self, client: Client, subjects: Sequence[str], *, after: int) -> None:
        self._client = client
        self._subjects = tuple(subjects)
        self._after = after
        self._consumer = ""
        self._consumer_sequence = 0

    async def ensure(self) -> tuple[str, str]:
        """Raises ApiError, NoApi."""
        state = (await ask(self._client, f"STREAM.INFO.{ANSWERS}", {}))["state"]
        if state["last_seq"] < self._after:
            self._after = 0  # The stream was made anew.
        name = f"answers-{secrets.token_hex(8)}"
        config = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": nanoseconds(IDLE_S),
            "mem_storage": True,
            "num_replicas": 1,
        } | ({"filter_subject": self._subjects[0]} if len(self._subjects) == 1 else {"filter_subjects": self._subjects})
        await ask(self._client, f"CONSUMER.CREATE.{ANSWERS}.{name}", {"stream_name": ANSWERS, "config": config})
        self._consumer, self._consumer_sequence = name, 0
        return ANSWERS, name

    def judge(self, delivery: PulledDelivery) -> Arrival:
        """A gap in the consumer's own count is a message lost on its way here."""
        if delivery.consumer != self._consumer or delivery.sequence <= self._after:
            return "drop"
        if delivery.consumer_sequence != self._consumer_sequence + 1:
            return "lost"
        self._consumer_sequence = delivery.consumer_sequence
        self._after = delivery.sequence
        return "take"
