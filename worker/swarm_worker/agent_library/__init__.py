"""The program that drives the library `amplifier_agent`, one turn or more of one session a process.

Invariant: its modules import the standard library and each other alone. The interpreter is the user's own, which has
the library and not swarm_worker; see __main__.py.
"""
