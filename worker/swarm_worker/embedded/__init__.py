"""A rehearsal: a real `amplifier-core` session in its own process, with an offline provider instead of a model.

The program is `python -P -m swarm_worker.embedded run …`. Its argv, envelope and events are those of
`amplifier-agent`, so that one reader parses both. A rehearsal needs no key and no network.
"""
