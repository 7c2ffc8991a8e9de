"""The connection to the database cut at a chosen point, nobody being told but by the broken connection."""

import asyncio
from collections.abc import Callable

from tests.chaos.fault import Fault, Scene, System
from tests.support.content import SIP_CLASSES
from tests.support.database import execute
from tests.support.proxy import Cut
from tests.support.trial import PATIENCE_S

PROXIED = System("proxied")
BAD_CAPTURE_ID = 666
TRIES = 20
FOUND_S = 3.0
COPIES, COPY_BYTES = 6, 20_000
"""Of a batch of 200 messages: keys and messages of three classes, each of so many bytes at most."""
COPY_DONE = b"c\0\0\0\4"

_REFUSE = f"""
create or replace function refuse_bad() returns trigger language plpgsql as $$
begin
    if new.capture_id = {BAD_CAPTURE_ID} then
        raise exception 'this row is bad' using errcode = '22000';
    end if;
    return new;
end $$;
""" + "".join(
    f"create or replace trigger refuse_bad before insert on messages_{name}"
    " for each row execute function refuse_bad();\n"
    for name in SIP_CLASSES
)


def cut(where: str, place: Callable[[Scene], Cut]) -> Fault:
    def inflict(scene: Scene) -> None:
        scene.trial.wait_for_more()
        scene.pause(0.0, 0.1)
        _cut(scene, place(scene))

    return Fault(f"cut {where}", inflict, times=20, short=3, system=PROXIED)


def _amid_copy(scene: Scene) -> Cut:
    """One of a batch's COPYs, at random, cut at random; at the latest before it says that it is whole."""
    chance = scene.chance
    return Cut(b"COPY ", chance.randint(1, COPIES), chance.randint(100, COPY_BYTES), end=COPY_DONE)


def cut_after_commit(scene: Scene) -> None:
    """COMMIT goes through, its answer does not: nobody but the database knows."""
    proxy = scene.at_proxy()
    scene.trial.wait_for_more()
    scene.pause(0.0, 0.1)
    before = proxy.cuts
    proxy.cut_answer_to = b"commit\0"
    scene.wait_until(lambda: proxy.cuts > before, "an answer was cut off")
    proxy.cut_answer_to = None


def cut_while_bisecting(scene: Scene) -> None:
    """A bad row among the good ones, and the connection cut in the middle of looking for it."""
    if scene.turn == 0:
        asyncio.run(execute(scene.trial.database_url, _REFUSE))
    scene.trial.wait_for_more()
    place = Cut(b"rollback to savepoint rows", occurrence=scene.chance.randint(1, 6))
    scene.at_proxy().cut = place
    for _ in range(TRIES):
        scene.trial.send_single(BAD_CAPTURE_ID)
        # A small batch has been searched before its turn to be cut comes: then the next one's is nearer.
        if place.made.wait(FOUND_S):
            return
    raise AssertionError("no row was looked for")


def _cut(scene: Scene, place: Cut) -> None:
    scene.at_proxy().cut = place
    assert place.made.wait(PATIENCE_S), f"{place.statement!r} was not sent"


FAULTS = (
    cut("mid-COPY", _amid_copy),
    cut("before COMMIT", lambda scene: Cut(b"commit\0")),
    Fault("cut after COMMIT, before its reply", cut_after_commit, times=20, short=3, system=PROXIED),
    Fault(
        "cut while bisecting",
        cut_while_bisecting,
        times=20,
        short=2,
        system=PROXIED,
        sets_aside=True,
    ),
)
