"""Found by the interpreters whose path begins with this folder: a worker that dies of what one agent sends.

The one patch there is for the chaos, and only in processes that are started for it.
"""

import os
import signal
import sys

LETHAL_CAPTURE_ID = 999

if "worker" in sys.orig_argv:
    from capture.interpret import Interpreter

    interpret = Interpreter.interpret

    def interpret_or_die(self, packet, sender_time_us):  # type: ignore[no-untyped-def]
        if packet.capture_id == LETHAL_CAPTURE_ID:
            os.kill(os.getpid(), signal.SIGKILL)
        return interpret(self, packet, sender_time_us)

    Interpreter.interpret = interpret_or_die  # type: ignore[method-assign]
