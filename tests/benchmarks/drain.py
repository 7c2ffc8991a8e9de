"""What one worker stores end to end, and what each process pays for it: a burst into the real command.

    python -m tests.benchmarks.drain [--packets 150000]

Sends from Python as fast as the sockets take it, waits until all is stored, and reads the processor time that
the kernel charged to intake, worker and PostgreSQL. Sender and system share the machine.
"""

import argparse
import socket
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.support import sender
from tests.support.rhapsode import metrics, rhapsode_up, wait_for_outcomes

BURST = 256
WARM_UP = 2000


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def main() -> None:
    parser = argparse.ArgumentParser(description="store a burst of packets")
    parser.add_argument("--packets", type=int, default=150_000)
    packets = parser.parse_args().packets
    data = [sender.packet(number) for number in range(packets)]
    with tempfile.TemporaryDirectory(prefix="rhapsode-drain-") as made:
        Path(made).chmod(0o711)
        with (
            rhapsode_up(Path(made) / "data") as running,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
        ):
            sender.Sender(running.hep, 2000, first=packets, count=WARM_UP).start().join()
            wait_for_outcomes(running, WARM_UP)
            roles = {role: [running.child(role)] for role in ("intake", "worker")}
            postgres = running.child("postgres")
            roles["postgres"] = [postgres, *postgres.children()]
            before = {role: cpu_s(processes) for role, processes in roles.items()}
            started = time.monotonic()
            for number, packet in enumerate(data):
                out.sendto(packet, running.hep)
                if number % BURST == 0:
                    threading.Event().wait(0.004)
            wait_for_outcomes(running, WARM_UP + packets, 300)
            seconds = time.monotonic() - started
            paid = {role: (cpu_s(processes) - before[role]) / packets for role, processes in roles.items()}
            drops = metrics(running)["rhapsode_kernel_drops_total"]
    costs = ", ".join(f"{role} {cost * 1e6:.1f} µs" for role, cost in paid.items())
    print(f"{packets} packets stored in {seconds:.1f} s, {drops:.0f} kernel drops; a packet: {costs}")  # noqa: T201


if __name__ == "__main__":
    main()
