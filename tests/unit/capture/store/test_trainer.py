"""The dictionary that a trainer makes: good for what it was trained on, and no worse for anything else."""

from capture.hep.decode import decode_packet
from capture.settings import StorageSettings
from capture.store.codec import Dictionary, PayloadCodec, shipped_dictionary
from capture.store.trainer import TRAINED_BYTES, compressed_bytes, train_on
from tests.support import sender
from tests.support.captures import CORPUS, hep_packets

SEEN = [sender.payload(number) for number in range(0, 3000, 3)]
OTHERS = [sender.payload(number) for number in range(30_001, 31_000, 3)]
FOREIGN = [
    packet.payload
    for capture in sorted(CORPUS.glob("kamailio-hep3-*.pcap"))
    for packet in map(decode_packet, hep_packets(capture))
]


def test_messages_like_those_it_was_trained_on_take_much_less() -> None:
    trained = train_on(SEEN, 3)

    assert len(trained) <= TRAINED_BYTES
    assert compressed_bytes(OTHERS, trained, 3) < compressed_bytes(OTHERS, shipped_dictionary(), 3) * 0.6


def test_messages_unlike_those_it_was_trained_on_take_little_more_than_with_the_shipped_one() -> None:
    trained = train_on(SEEN, 3)

    assert compressed_bytes(FOREIGN, trained, 3) < compressed_bytes(FOREIGN, shipped_dictionary(), 3) * 1.15


def test_training_is_the_same_every_time() -> None:
    assert train_on(SEEN, 3) == train_on(SEEN, 3)


def test_what_is_counted_is_what_is_stored() -> None:
    codec = PayloadCodec(Dictionary(5, shipped_dictionary()), StorageSettings(zstd_level=1))
    messages = [*OTHERS, b"", bytes(range(256))]

    stored = sum(len(codec.encode(message)[1]) for message in messages)

    assert compressed_bytes(messages, shipped_dictionary(), 1) == stored
