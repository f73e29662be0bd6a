"""Sinks that keep what a guarded program prints."""

from dataclasses import dataclass, field


@dataclass
class MergedSink:
    """A sink that keeps both streams as one, in the order in which they came."""

    out: bytearray = field(default_factory=bytearray)
    stall_factor: float = 1.0

    def stdout(self, chunk: bytes) -> None:
        self.out += chunk

    def stderr(self, chunk: bytes) -> None:
        self.out += chunk


@dataclass
class SplitSink(MergedSink):
    """A sink that keeps each stream by itself."""

    err: bytearray = field(default_factory=bytearray)

    def stderr(self, chunk: bytes) -> None:
        self.err += chunk
