"""Order of processes for signals."""

from swarm_worker.guard.procfs import Process, oldest_first


def test_parents_come_before_children_also_within_a_tick_of_the_clock() -> None:
    shell, child, other = Process(90, "1000"), Process(100, "1000"), Process(7, "998")

    assert list(oldest_first({child, shell, other})) == [other, shell, child]
