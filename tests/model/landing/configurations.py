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
}
LARGE: Final = {
    "landings: both crash": LandingBounds(conflicts=0, worker_crashes=1, server_crashes=1),
    "landings: three workers": LandingBounds(
        workers=3, conflicts=0, attempts=1, failures=0, worker_crashes=1
    ),
    "landings: a worker goes on without its lease": LandingBounds(conflicts=0, zombies=1),
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
}


def landing_catches(rule: str) -> LandingBounds:
    """Returns bounds in which the checker notices that the rule is missing."""
    return _SHOWS[rule]
