"""A whole system trains a payload dictionary by itself, and shows what it stored before and after."""

import re
from collections import Counter
from pathlib import Path

import httpx

from tests.support import sender
from tests.support.rhapsode import Rhapsode, metrics, rhapsode_up, run, wait_for_outcomes

FIRST, MORE = 720, 180
TRAINED = r"payload dictionary (\d+) trained on \d+ messages: (\d+) bytes a message become (\d+)"
SWITCHED = r"payloads are compressed with dictionary (\d+) from now on"
FROM_MS, TO_MS = 946_684_800_000, 4_102_444_800_000


def send(running: Rhapsode, first: int, count: int) -> None:
    sender.Sender(running.hep, 2000, first=first, count=count).start().join()
    wait_for_outcomes(running, first + count)


def shown(client: httpx.Client) -> Counter[str]:
    """The payload of every message, as the API shows it, call by call."""
    found: Counter[str] = Counter()
    for key in ("1_call", "1_registration", "1_default"):
        limit = {"name": "limit", "value": "10000", "type": "string"}
        rows = ask(client, "search/call/data", {"search": {key: [limit]}})
        for start in range(0, len(rows), 200):
            ids = [row["id"] for row in rows[start : start + 200]]
            messages = ask(client, "search/call/message", {"limit": 200, "search": {key: {"uuid": ids}}})
            found.update(message["raw"] for message in messages)
    return found


def ask(client: httpx.Client, path: str, param: dict[str, object]) -> list[dict[str, str]]:
    body = {"timestamp": {"from": FROM_MS, "to": TO_MS}, "param": param}
    answer = client.post(f"/api/v3/{path}", json=body)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    rows: list[dict[str, str]] = answer.json()["data"]
    return rows


def sent(count: int) -> Counter[str]:
    return Counter(sender.payload(number).decode() for number in range(count))


def test_system_trains_by_itself_and_shows_old_and_new_messages_exactly(tmp_path: Path) -> None:
    settings = {"RHAPSODE_STORAGE__TRAIN_AFTER_MESSAGES": str(FIRST)}
    with rhapsode_up(tmp_path, extra=settings) as running, running.login() as client:
        send(running, 0, FIRST - 1)
        before = metrics(running)['rhapsode_payload_dictionary{journal="0000"}']
        first_shown = shown(client)
        send(running, FIRST - 1, 1)
        trained, plain, compressed = map(int, running.wait_for(TRAINED).groups())
        switched = int(running.wait_for(SWITCHED)[1])
        send(running, FIRST, MORE)

        all_shown = shown(client)
        after = metrics(running)['rhapsode_payload_dictionary{journal="0000"}']
        listed = run("dictionary", "list", "--data-dir", tmp_path)
        assert running.stop() == 0
    with rhapsode_up(tmp_path, extra=settings) as again, again.login() as client:
        send(again, FIRST + MORE, 30)
        restarted = metrics(again)['rhapsode_payload_dictionary{journal="0000"}']
        shown_again = shown(client)
        # The first may be worth it, as there are more messages by now.
        run("dictionary", "train", "--data-dir", tmp_path)
        once_more = run("dictionary", "train", "--data-dir", tmp_path)

    assert first_shown == sent(FIRST - 1)
    assert all_shown == sent(FIRST + MORE)
    assert shown_again == sent(FIRST + MORE + 30)
    assert before < trained == switched == after == restarted
    assert compressed < plain / 4
    of_release, of_training = listed.stdout.splitlines()
    assert re.fullmatch(rf" *{before:.0f}  20\d\d-.* came with a release", of_release), listed.stderr
    assert re.fullmatch(
        rf" *{trained}  20\d\d-.* trained on \d+ messages: \d+\.\d times smaller", of_training
    )
    assert once_more.stdout.startswith("no other dictionary is worth it: "), once_more.stderr
