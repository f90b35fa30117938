"""Monitoring of `wireroom up`: one address for all of its processes."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.settings import Settings
from workers.heartbeat import Pulse


@contextmanager
def monitored(settings: Settings) -> Iterator[Pulse]:
    """Let this process and those that it starts count together, and serve that; only where it is asked for.

    Whoever gets on is to beat the pulse.
    Raises WireroomError when the address is not to be had.
    """
    pulse = Pulse()
    if settings.metrics_at is None:
        yield pulse
        return
    # What these import nobody else needs.
    from workers.monitoring.counting import count_in, empty_folder
    from workers.monitoring.replies import make_replies
    from workers.monitoring.server import serving
    from workers.monitoring.standing import Lookout

    folder = settings.home / "run" / "metrics"
    empty_folder(folder)
    count_in(folder, "up")
    replies = make_replies(settings, Lookout(settings), pulse, folder=folder, tells_all=True)
    with serving(settings.metrics_at, replies):
        yield pulse
