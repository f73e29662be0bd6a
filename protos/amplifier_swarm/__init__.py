"""The wire contract of Amplifier Swarm: the generated messages and stubs, and what both ends do with them."""

__version__ = "0.1.0"
