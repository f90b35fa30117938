"""Redis as kombu speaks to it, but for what is no ring: that is refused before Celery reads it."""

import logging
from functools import partial
from typing import Any

from kombu.transport import redis as of_kombu

from workers.messages import fault

log = logging.getLogger(__name__)


class Client(of_kombu.PrefixedStrictRedis):
    """Take items out of the queues; drop those that are no rings, with a line in the log."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """Read an answer; that of a refused item is the one of an empty queue."""
        answer = super().parse_response(connection, command_name, **options)
        if command_name == "BRPOP" and answer:
            queue, item = answer
            if found := fault(item):
                log.warning("message refused queue=%s bytes=%d fault=%s", queue.decode(), len(item), found)
                return None
        return answer


class Channel(of_kombu.Channel):
    """Use that client."""

    def _get_client(self) -> Any:
        return partial(Client, global_keyprefix=self.global_keyprefix)


class Transport(of_kombu.Transport):
    """Use that channel; `broker_transport` names this class."""

    Channel = Channel
