"""The faults of a run come from its seed alone, and each one hits a program."""

from itertools import pairwise

from chaos.nemesis import OF_SERVER, Fault, draw


def test_the_same_seed_draws_the_same_faults_and_another_one_others() -> None:
    assert draw(1, workers=8) == draw(1, workers=8)
    assert draw(1, workers=8) != draw(2, workers=8)


def test_every_fault_comes_in_every_run() -> None:
    for seed in range(200):
        assert {step.fault for step in draw(seed, workers=8)} == set(Fault)


def test_no_worker_is_under_two_faults_at_once() -> None:
    for seed in range(200):
        steps = draw(seed, workers=8)
        for number in range(8):
            mine = [step for step in steps if number in step.workers]
            assert all(first.until_s <= then.at_s + 0.02 for first, then in pairwise(mine))


def test_every_fault_hits_a_program() -> None:
    for seed in range(200):
        for step in draw(seed, workers=8):
            assert bool(step.workers) is (step.fault not in OF_SERVER)
            assert step.fault is not Fault.HOLE_ALL or len(step.workers) == 8


def test_the_server_is_under_one_fault_at_a_time() -> None:
    for seed in range(200):
        mine = [step for step in draw(seed, workers=8) if step.fault in OF_SERVER]
        assert all(first.until_s < then.at_s for first, then in pairwise(mine))
