"""A SIGTERM that comes before its process knows how to stop.

Such a signal would end the process with its sockets unread. The first process of a container ignores it
altogether: that one would run on until it is killed.
"""

import os
import signal
import threading
import time
from types import FrameType

HANDLER_WAIT_S = 60.0
"""A role that has been told to stop and has no handler by then hangs in its start."""
HANDLER_POLL_S = 0.02
"""Nothing tells that a handler was set."""
EXIT_FAILED = 1


def keep_early_stop() -> None:
    """Note a SIGTERM from now on, and hand it on to the handler of the role's own once there is one."""
    noted = False

    def note(_: int, __: FrameType | None) -> None:
        nonlocal noted
        if not noted:
            noted = True
            threading.Thread(target=hand_on, name="early-stop", daemon=True).start()

    def hand_on() -> None:
        deadline = time.monotonic() + HANDLER_WAIT_S
        while signal.getsignal(signal.SIGTERM) is note:
            if time.monotonic() > deadline:
                os._exit(EXIT_FAILED)
            time.sleep(HANDLER_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, note)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
