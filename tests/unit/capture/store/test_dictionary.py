"""The shipped dictionary and the script that builds it."""

from pathlib import Path

from capture.settings import StorageSettings
from capture.store.codec import Dictionary, PayloadCodec, shipped_dictionary
from capture.store.dictionary import main, train
from capture.store.sample import make_messages

FOREIGN = (
    b"OPTIONS sip:monitor@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK-d8754z-aa\r\n"
    b"Max-Forwards: 70\r\nContact: <sip:probe@192.0.2.77:5060>\r\nTo: <sip:monitor@192.0.2.9>\r\n"
    b"From: <sip:probe@192.0.2.77>;tag=99\r\nCall-ID: MjQ0YmE\r\nCSeq: 1 OPTIONS\r\n"
    b"Accept: application/sdp\r\nUser-Agent: Probe 1.0\r\nContent-Length: 0\r\n\r\n"
)


def test_training_is_the_same_every_time() -> None:
    assert train(make_messages(60), 4096) == train(make_messages(60), 4096)


def test_other_seed_makes_other_messages() -> None:
    assert make_messages(5, seed=1) != make_messages(5, seed=2)


def test_script_writes_a_dictionary_of_the_shipped_size(tmp_path: Path) -> None:
    main(tmp_path / "new.dict")

    assert len((tmp_path / "new.dict").read_bytes()) == len(shipped_dictionary()) <= 112 * 1024


def test_shipped_dictionary_halves_messages_it_has_not_seen() -> None:
    codec = PayloadCodec(Dictionary(1, shipped_dictionary()), StorageSettings())
    unseen = [*make_messages(40, seed=7), FOREIGN]

    stored = sum(len(codec.encode(message)[1]) for message in unseen)

    assert stored < sum(map(len, unseen)) / 2.5
    assert len(codec.encode(FOREIGN)[1]) < len(FOREIGN) / 2
