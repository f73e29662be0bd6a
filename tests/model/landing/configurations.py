"""Bounds of explorations of landings, and for each rule the bounds in which its absence shows."""

from typing import Final

from model.landing.state import LandingBounds

SMALL: Final = {
    "a worker crashes": LandingBounds(
        attempts=1, failures=0, conflicts=0, worker_crashes=1, server_crashes=1
    ),
    "attempts follow each other": LandingBounds(tasks=1, worker_crashes=1, silences=1, pushes=1),
    "work does not combine": LandingBounds(failures=0, pushes=1),
    "operators kill and retry": LandingBounds(tasks=1, attempts=3, kills=1, retries=1, pushes=1),
    "a worker goes on without its lease": LandingBounds(tasks=1, zombies=1, worker_crashes=1, pushes=1),
    "it goes on beside others": LandingBounds(attempts=1, failures=0, conflicts=0, zombies=1, pushes=1),
    "the database is restored": LandingBounds(failures=0, conflicts=0, restores=1),
    "kept work lands by an order": LandingBounds(
        tasks=1, attempts=3, failures=0, kept=1, orders=2, missing=1, kills=1, suspicions=1
    ),
    "kept work meets crashes": LandingBounds(
        tasks=1, attempts=3, kept=1, orders=1, worker_crashes=1, suspicions=1
    ),
    "kept work is killed": LandingBounds(
        tasks=1, attempts=3, failures=0, kept=1, orders=2, kills=1, retries=1
    ),
    "kept work is restored": LandingBounds(
        tasks=1, failures=0, conflicts=0, kept=1, orders=1, restores=1, pushes=1
    ),
    "tasks are added again": LandingBounds(
        tasks=1, failures=0, kept=1, orders=1, recreations=1, pushes=1, suspicions=1
    ),
    "completed work is done again": LandingBounds(tasks=1, attempts=4, worker_crashes=1, reruns=1, kills=1),
    "it is done again in a restored past": LandingBounds(
        tasks=1, attempts=3, failures=0, conflicts=0, reruns=2, restores=1
    ),
}
LARGE: Final = {
    "landings: both crash": LandingBounds(conflicts=0, worker_crashes=1, server_crashes=1),
    "landings: three workers": LandingBounds(
        workers=3, conflicts=0, attempts=1, failures=0, worker_crashes=1
    ),
    "landings: a worker goes on without its lease": LandingBounds(conflicts=0, zombies=1),
    "landings: kept work": LandingBounds(
        attempts=3, failures=0, conflicts=0, kept=1, orders=1, worker_crashes=1, suspicions=1
    ),
    "landings: kept work, without a lease": LandingBounds(
        tasks=1, attempts=4, kept=1, orders=2, zombies=1, kills=1, missing=1, pushes=1
    ),
    "landings: restored, without a lease": LandingBounds(tasks=1, worker_crashes=1, zombies=1, restores=1),
}

_SHOWS: Final = {
    "one_right": LandingBounds(),
    "right_is_durable": LandingBounds(server_crashes=1),
    "right_ends_with_attempt": LandingBounds(),
    "kill_denies_right": LandingBounds(kills=1),
    "compares_tip": LandingBounds(pushes=1),
    "checks_again": LandingBounds(pushes=1),
    "looks_before_session": LandingBounds(tasks=1, worker_crashes=1),
    "looks_after_restore": LandingBounds(tasks=1, restores=1),
    "restore_forgets_tips": LandingBounds(failures=0, conflicts=0, restores=1),
    "looks_before_landing": LandingBounds(tasks=1, zombies=1),
    "landing_is_proof": LandingBounds(),
    "lease_before_landing": LandingBounds(silences=1),
    "tip_never_goes_back": LandingBounds(silences=1),
    "reopening_keeps_work": LandingBounds(tasks=1, kept=1, orders=1),
    "start_survives_ends": LandingBounds(tasks=1, attempts=3, kept=1, orders=1, worker_crashes=1),
    "landing_starts_no_session": LandingBounds(tasks=1, kept=1, orders=1),
    "landing_looks": LandingBounds(tasks=1, attempts=3, kept=1, orders=1, worker_crashes=1),
    "right_is_go": LandingBounds(tasks=1, kept=1, orders=1, suspicions=1),
    "missing_work_withdraws": LandingBounds(tasks=1, kept=1, orders=1, missing=1),
    "creation_is_own": LandingBounds(tasks=1, recreations=1),
    "rerun_is_own": LandingBounds(tasks=1, reruns=1),
}


def landing_catches(rule: str) -> LandingBounds:
    """Returns bounds in which the checker notices that the rule is missing."""
    return _SHOWS[rule]
