"""Network between one worker and the server: late, lost, doubled, out of order, cut in one direction or both.

Calls of one answer stand for themselves, as after a reconnect each may go its own way. A stream is one
connection: in order and without holes until it breaks, which each end notices in its own time.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from sim.server import SimServer
from sim.world import Due, World
from swarmd.domain.errors import SwarmError

KEEPALIVE_S = 30.0
# Called at the end of a stream; with the error if the server gave one.
Broken = Callable[[SwarmError | None], None]


class Unreachable(Exception):  # the worker's view of it
    """An error of a call without an answer, whose effect is unknown."""


@dataclass(slots=True)
class Weather:
    """The quality of the network."""

    delay_s: float = 0.01
    loss: float = 0.0
    doubled: float = 0.0
    # The share of messages, and of requests for a stream, that are delivered up to a minute late.
    late: float = 0.0
    # The share of requests for a stream that are late besides.
    late_streams: float = 0.0


class Link:
    """The link of one worker to the server."""

    def __init__(self, world: World, server: SimServer, name: str, weather: Weather) -> None:
        self.world = world
        self.server = server
        self.weather = weather
        self.cut_up = self.cut_down = False
        self._name = name
        self._dice = world.dice(f"link {name}")
        self._connections: list[Connection] = []

    def cut(self, *, up: bool, down: bool) -> None:
        """Lets nothing through in those directions."""
        self.cut_up, self.cut_down = up, down
        self.world.log(f"link of {self._name} is {'cut' if up or down else 'whole'} up={up} down={down}")
        for connection in list(self._connections):
            connection.on_link_change()

    def break_all(self) -> None:
        """Resets every connection."""
        for connection in list(self._connections):
            connection.reset()

    def server_gone(self) -> None:
        """Handles the end of the server's process; a worker that is cut off notices it later."""
        if not (self.cut_up or self.cut_down):
            self.break_all()

    def call(
        self,
        method: Callable[[SimServer], Coroutine[Any, Any, Any]],
        answer: Callable[[Any], None],
        *,
        timeout_s: float,
    ) -> None:
        """Sends a request; `answer` gets the response or an error, once."""
        answered: list[bool] = []

        def once(result: Any) -> None:
            if not answered:
                answered.append(True)
                limit.cancel()
                answer(result)

        limit: Due = self.world.at(timeout_s, partial(once, Unreachable("deadline")))
        for _ in range(2 if self._dice.random() < self.weather.doubled else 1):
            if self._through(self.cut_up):
                self.world.at(self.delay_s(), partial(self._arrive, method, once))

    def connect(self, request: Any, hears: Callable[[Any], None], broken: Broken) -> "Connection":
        """Asks for a stream."""
        connection = Connection(self, request, hears, broken)
        self._connections.append(connection)
        return connection

    def delay_s(self, *, late: bool = True) -> float:
        """Draws the delay of one message."""
        if late and self._dice.random() < self.weather.late:
            return self._dice.uniform(1, 60)
        return self._dice.expovariate(1 / self.weather.delay_s)

    def stream_delay_s(self) -> float:
        """Draws the delay of a request for a stream."""
        if self.weather.late_streams and self._dice.random() < self.weather.late_streams:
            return self._dice.uniform(1, 60)
        return self.delay_s()

    def pick(self, low: float, high: float) -> float:
        """Draws a time from the link's own dice."""
        return self._dice.uniform(low, high)

    def forget(self, connection: "Connection") -> None:
        """Removes a connection that has ended at both ends."""
        if connection in self._connections:
            self._connections.remove(connection)

    def _through(self, cut: bool) -> bool:  # noqa: FBT001  # the state of one direction
        return not cut and self._dice.random() >= self.weather.loss

    def _arrive(
        self, method: Callable[[SimServer], Coroutine[Any, Any, Any]], answer: Callable[[Any], None]
    ) -> None:
        if not self.server.serving:
            self._reply(answer, Unreachable("refused"))
            return
        self.server.call(method, partial(self._reply, answer))

    def _reply(self, answer: Callable[[Any], None], result: Any) -> None:
        if self._through(self.cut_down):
            self.world.at(self.delay_s(), partial(answer, result))


class Connection:
    """A stream, from its request to its end at both ends."""

    def __init__(self, link: Link, request: Any, hears: Callable[[Any], None], broken: Broken) -> None:
        self._link = link
        self._world = link.world
        self._request = request
        self._hears = hears
        self._broken = broken
        self._open_here = self._open_there = True
        self._hang_up: Callable[[], None] | None = None
        self._life = link.server.life
        self._free_s = 0.0
        self._held: list[Any] = []
        self._doomed: list[Due] = []
        self._arrived = False
        self.on_link_change()
        self._world.at(link.stream_delay_s(), self._arrive)

    def on_link_change(self) -> None:
        """Schedules the end of a stream that is cut, or delivers what a repaired stream held back."""
        for due in self._doomed:
            due.cancel()
        self._doomed = []
        if self._link.cut_up or self._link.cut_down:
            here = self._world.at(self._link.pick(KEEPALIVE_S / 2, KEEPALIVE_S), self._lose_here)
            there = self._world.at(self._link.pick(KEEPALIVE_S / 2, 3 * KEEPALIVE_S), self._lose_there)
            self._doomed = [here, there]
        elif self._hang_up is not None and not self._link.server.runs(self._life):
            self._world.at(self._link.pick(0, KEEPALIVE_S), self._lose_here)  # nobody answers its pings
        elif self._held:
            held, self._held = self._held, []
            for message in held:
                self._send(message)

    def reset(self) -> None:
        """Breaks the stream at both ends, at a time of its own for each end."""
        self._world.at(self._link.pick(0, 1), self._lose_here)
        self._world.at(self._link.pick(0, 5), self._lose_there)

    def close(self) -> None:
        """Ends the stream at the worker's end."""
        self._open_here = False
        if self._link.cut_up:
            self._world.at(self._link.pick(0, 3 * KEEPALIVE_S), self._lose_there)
        else:
            self._world.at(self._link.delay_s(late=False), self._lose_there)

    def _arrive(self) -> None:
        if not self._open_there:
            return
        if self._link.cut_up or self._link.cut_down:  # a stream needs both directions to open
            self._world.at(1.0, self._arrive)
            return
        if not self._link.server.serving:
            self._lose_here()
            return
        self._life = self._link.server.life
        self._hang_up = self._link.server.stream(self._request, self._send, self._ended_there)
        if not self._open_here:
            self._world.at(self._link.delay_s(late=False), self._lose_there)

    def _send(self, message: Any) -> None:
        if self._link.cut_down:
            self._held.append(message)
            return
        self._free_s = max(self._free_s, self._world.now_s + self._link.delay_s(late=False))
        self._world.at(self._free_s - self._world.now_s, partial(self._land, message))

    def _land(self, message: Any) -> None:
        if self._link.cut_down:
            self._held.append(message)
        elif self._open_here:
            self._hears(message)

    def _ended_there(self, why: SwarmError | None) -> None:
        self._open_there = False
        self._world.at(self._link.delay_s(late=False), partial(self._lose_here, why))

    def _lose_here(self, why: SwarmError | None = None) -> None:
        if self._open_here:
            self._open_here = False
            self._broken(why)
        self._forget()

    def _lose_there(self) -> None:
        if self._open_there:
            self._open_there = False
            if self._hang_up is not None:
                self._hang_up()
        self._forget()

    def _forget(self) -> None:
        if not (self._open_here or self._open_there):
            self._link.forget(self)
