"""How files are made while they are sent."""

from collections.abc import Iterator

from api.routes.export import SLICE_BYTES, slices


async def test_file_is_made_piece_by_piece_as_it_is_sent() -> None:
    made = 0

    def parts() -> Iterator[bytes]:
        nonlocal made
        for _ in range(10):
            made += 1
            yield b"x" * (SLICE_BYTES // 2)

    sent = slices(parts())

    assert len(await anext(sent)) == SLICE_BYTES
    assert made == 2
    assert sum([len(piece) async for piece in sent]) == 4 * SLICE_BYTES


async def test_small_parts_are_sent_together_and_nothing_is_nothing() -> None:
    assert [piece async for piece in slices([b"a", b"", b"b"])] == [b"ab"]
    assert [piece async for piece in slices([])] == []
