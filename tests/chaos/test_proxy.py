"""Each toxic of the proxy has its effect, and no other effect on the bytes."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chaos.proxy import CLEAN, Lane, Proxy, Side, Toxics, Way, set_all
from support.waiting import until

PIECE = bytes(range(256)) * 16


class Echo:
    """A server that echoes its input and keeps it in `heard`."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(65536):
                    self.heard += data
                    peer.sendall(data)
                self.ended.append("eof")
            except ConnectionError:
                self.ended.append("reset")


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()
    yield found
    found.close()


@pytest.fixture
def lane(echo: Echo) -> Iterator[Lane]:
    with Proxy(echo.address) as proxy:
        yield proxy.lane()


def dial(lane: Lane) -> socket.socket:
    host, _, port = lane.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def take(peer: socket.socket, count: int) -> bytes:
    """Reads exactly `count` bytes."""
    got = b""
    while len(got) < count:
        piece = peer.recv(count - len(got))
        assert piece, f"the connection ended after {len(got)} of {count} bytes"
        got += piece
    return got


def silent(peer: socket.socket) -> bool:
    """Returns whether neither data nor an end arrives within several round trips."""
    peer.settimeout(0.2)
    try:
        peer.recv(1)
    except TimeoutError:
        return True
    finally:
        peer.settimeout(20)
    return False


@pytest.mark.parametrize(
    "toxics",
    [
        CLEAN,
        Toxics(latency_s=0.02, jitter_s=0.02),
        Toxics(slice_bytes=7),
        Toxics(bytes_per_s=100_000),
        Toxics(slow_close_s=0.05),
    ],
    ids=["clean", "latency", "slices", "bandwidth", "slow close"],
)
def test_every_byte_arrives_in_order_and_the_end_after_it(echo: Echo, lane: Lane, toxics: Toxics) -> None:
    lane.set(toxics)
    with dial(lane) as peer:
        peer.sendall(PIECE)
        assert take(peer, len(PIECE)) == PIECE
        peer.shutdown(socket.SHUT_WR)

        assert peer.recv(1) == b""
    until(lambda: echo.ended == ["eof"], "the server sees the end")


@pytest.mark.parametrize(
    ("toxics", "least_s"),
    [
        (Toxics(latency_s=0.15, jitter_s=0.05), 0.2),  # two directions, each at least 0.1
        (Toxics(bytes_per_s=20_000), 0.1),  # two slices up, of which the first delays the second
    ],
    ids=["latency", "bandwidth"],
)
def test_slowness_is_never_less_than_asked_for(lane: Lane, toxics: Toxics, least_s: float) -> None:
    lane.set(Toxics(toxics.latency_s, toxics.jitter_s, toxics.bytes_per_s, slice_bytes=2048))
    with dial(lane) as peer:
        began_s = time.monotonic()
        peer.sendall(PIECE[:4096] if toxics.bytes_per_s else b"x")
        take(peer, 4096 if toxics.bytes_per_s else 1)

        assert time.monotonic() - began_s >= least_s


def test_a_hole_holds_bytes_back_and_lets_them_through_when_it_closes(echo: Echo, lane: Lane) -> None:
    with dial(lane) as peer:
        peer.sendall(b"1")
        assert take(peer, 1) == b"1"
        lane.set(Toxics(hole=Way.BOTH))

        peer.sendall(b"2")

        assert silent(peer)
        assert echo.heard == b"1"
        lane.set(CLEAN)
        assert take(peer, 1) == b"2"


def test_a_hole_up_hides_the_client_and_a_hole_down_hides_the_server(echo: Echo, lane: Lane) -> None:
    with dial(lane) as peer:
        lane.set(Toxics(hole=Way.DOWN))
        peer.sendall(b"1")
        until(lambda: echo.heard == b"1", "the server hears")
        assert silent(peer)

        lane.set(Toxics(hole=Way.UP))

        assert take(peer, 1) == b"1"
        peer.sendall(b"2")
        assert silent(peer)
        assert echo.heard == b"1"


def test_a_connection_made_inside_a_hole_is_held_back_too(echo: Echo, lane: Lane) -> None:
    lane.set(Toxics(hole=Way.BOTH))
    with dial(lane) as peer:
        peer.sendall(b"1")
        assert silent(peer)
        assert echo.heard == b""


def test_a_reset_breaks_both_sides_and_the_next_connection_works(echo: Echo, lane: Lane) -> None:
    with dial(lane) as peer:
        peer.sendall(b"1")
        take(peer, 1)

        lane.reset()

        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    until(lambda: echo.ended == ["reset"], "the server is reset too")
    with dial(lane) as again:
        again.sendall(b"2")
        assert take(again, 1) == b"2"


@pytest.mark.parametrize("side", list(Side), ids=lambda side: side.value)
def test_a_half_open_connection_is_broken_for_one_side_only(echo: Echo, lane: Lane, side: Side) -> None:
    with dial(lane) as peer:
        peer.sendall(b"1")
        take(peer, 1)

        lane.half_open(side)

        if side is Side.SERVER:
            until(lambda: echo.ended == ["reset"], "the server is reset")
            peer.sendall(b"2")  # into the void
            assert silent(peer)
        else:
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
            assert echo.ended == []


def test_a_slow_close_keeps_the_end_back(echo: Echo, lane: Lane) -> None:
    lane.set(Toxics(slow_close_s=600))
    with dial(lane) as peer:
        peer.sendall(b"1")
        take(peer, 1)
        peer.shutdown(socket.SHUT_WR)

        assert silent(peer)
        assert echo.ended == []


def test_one_connection_can_be_worse_than_the_others(lane: Lane) -> None:
    with dial(lane) as first:
        first.sendall(b"1")
        take(first, 1)
        [inner] = lane.connections()
        with dial(lane) as second:
            inner.set(Toxics(hole=Way.BOTH))

            first.sendall(b"2")
            second.sendall(b"3")

            assert take(second, 1) == b"3"
            assert silent(first)


def test_lanes_are_apart_and_a_server_that_is_down_is_a_reset(echo: Echo) -> None:
    with Proxy(echo.address) as proxy:
        lanes = [proxy.lane() for _ in range(3)]
        set_all(lanes[:2], Toxics(hole=Way.BOTH))
        with dial(lanes[0]) as holed, dial(lanes[2]) as free:
            holed.sendall(b"1")
            free.sendall(b"2")
            assert take(free, 1) == b"2"
            assert silent(holed)
    gone = socket.create_server(("127.0.0.1", 0))
    address = "{}:{}".format(*gone.getsockname())
    gone.close()
    # The reset may come before `connect` has returned.
    with Proxy(address) as proxy, pytest.raises(ConnectionResetError), dial(proxy.lane()) as peer:
        peer.recv(1)
