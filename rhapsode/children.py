"""The child processes of the supervisor: how one is described, started, and kept from outliving it.

A child gets all it needs through inherited descriptors: what to do in a memory file (it holds secrets, so it
is neither in the command line nor in the environment), its sockets, the lock of the data directory, and the
read end of a pipe
that ends when the supervisor does.
"""

import ctypes
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from api.errors import AccountError, ApiError
from capture.errors import CaptureError, SchemaMismatch
from capture.intake.sockets import Sockets
from rhapsode import roles
from rhapsode.early_stop import keep_early_stop
from rhapsode.errors import RhapsodeError
from rhapsode.logs import set_up_logs
from rhapsode.settings import Settings

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
ORPHAN_LIMIT_S = 12.0
"""How long a child may go on tidying up after its supervisor was killed."""

EXIT_FAILED = 1
EXIT_REFUSED = 3
"""A refusal that trying again does not cure: a schema not for this code, a password that cannot be."""

Role = Literal["intake", "worker", "api", "prepare"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a child is to do."""

    role: Role
    settings: Settings
    database_url: str = ""
    sockets: tuple[int, ...] = ()
    journal: Path | None = None
    until_drained: bool = False
    lifeline: int = -1
    """Read end of a pipe whose write end only the supervisor holds."""
    report: int = -1
    """Write end of a pipe for what the supervisor has to tell: the password that `prepare` made up."""

    @property
    def name(self) -> str:
        """Role and journal, as they stand in the process list and in the logs."""
        return self.role if self.journal is None else f"{self.role} {self.journal.name}"


def spawn(plan: Plan, lock: int) -> subprocess.Popen[bytes]:
    """Start a child. Only from the main thread: the kernel tells it of that thread's death."""
    memory = os.memfd_create("rhapsode-plan")
    try:
        with open(memory, "wb", closefd=False) as file:
            pickle.dump(plan, file)
        given = [fd for fd in (plan.lifeline, plan.report, *plan.sockets, lock, memory) if fd >= 0]
        # -P: a folder named `api` where the user happens to stand is not ours.
        command = [sys.executable, "-P", "-m", "rhapsode", *plan.name.split(), "--child", str(memory)]
        # SIGTERM waits until the child has a handler: one that it died of would leave its sockets unread.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        # A session of its own: Ctrl-C in the terminal is the supervisor's to hand on, in its order.
        return subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, pass_fds=given, start_new_session=True
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.close(memory)


def main(memory: int) -> int:
    """The child's side: read the plan, do it, return the exit status."""
    with open(memory, "rb") as file:
        file.seek(0)
        plan: Plan = pickle.load(file)  # noqa: S301 - written by our own parent, in its memory
    if plan.role == "prepare":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    else:
        keep_early_stop()
    _end_with_supervisor(plan.lifeline)
    set_up_logs(plan.settings.log, plan.name)
    try:
        _run(plan)
    except (SchemaMismatch, AccountError) as error:
        log.error("%s", error)
        return EXIT_REFUSED
    except (CaptureError, RhapsodeError, ApiError) as error:
        log.error("%s", error)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 0
    return 0


def _run(plan: Plan) -> None:
    match plan.role:
        case "intake":
            roles.run_intake(plan.settings, Sockets.from_filenos(plan.sockets))
        case "worker":
            assert plan.journal is not None  # noqa: S101 - for the type checker
            roles.run_worker(plan.settings, plan.database_url, plan.journal, until_drained=plan.until_drained)
        case "api":
            roles.run_api(plan.settings, plan.database_url, socket.socket(fileno=plan.sockets[0]))
        case "prepare":
            made = roles.prepare(plan.settings, plan.database_url)
            if made is not None:
                os.write(plan.report, made.encode())


def _end_with_supervisor(lifeline: int) -> None:
    """Stop in order when the supervisor has gone: by the kernel's signal, and by the pipe's end for what that
    misses
    (a supervisor that died before we asked for the signal).
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if lifeline >= 0:
        threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_LIMIT_S)
    os._exit(EXIT_FAILED)
