"""One real `amplifier-core` session in a process of its own, with an offline provider.

Run as `python -P -m swarm_worker.embedded run …`; argv, envelope and events are those of
`amplifier-agent`, so one adapter reads both. It needs no key and no network.
"""
