"""Bounds of explorations, and for each rule the bounds in which its absence shows."""

from typing import Final

from model.protocol import Bounds
from swarmd.domain.approvals import ApprovalPoint

SMALL: Final = {
    "crashes of workers": Bounds(worker_crashes=1, silences=1),
    "crash of the server, kill": Bounds(server_crashes=1, silences=1, kills=1),
    "stop, resume, requeue, kill": Bounds(stops=1, requeues=1, kills=1, server_crashes=1),
    "late results accepted": Bounds(silences=1, kills=1, accepts=1),
    "sessions that outlast silence": Bounds(silences=1, kills=1, keep=True),
    "backup and restore": Bounds(workers=1, restores=1),
    "machines that are forgotten": Bounds(worker_crashes=1, forgets=1, kills=1),
    "guards that are stopped": Bounds(silences=1, kills=1, stopped_guards=1),
    "guards that are stopped, crashes": Bounds(worker_crashes=1, stopped_guards=1),
    "questions, kills, crashes": Bounds(questions=2, kills=1, server_crashes=1, retries=1),
    "approval of the start": Bounds(
        workers=1, approve=ApprovalPoint.BEFORE_START, rejections=1, kills=1, retries=1, server_crashes=1
    ),
    "approval of the start, stops": Bounds(approve=ApprovalPoint.BEFORE_START, stops=1, requeues=1, kills=1),
    "approval of the work": Bounds(
        workers=1, approve=ApprovalPoint.AFTER, rejections=1, attempts=3, kills=1, server_crashes=1
    ),
    "approval of late work": Bounds(
        approve=ApprovalPoint.AFTER, rejections=1, silences=1, kills=1, retries=1
    ),
    "caps, kills, crashes": Bounds(workers=1, overspends=1, kills=1, server_crashes=1),
    "caps, losses": Bounds(workers=1, overspends=2, silences=1),
    "questions in place, kills, crashes": Bounds(workers=1, calls=1, kills=1, server_crashes=1),
    "questions in place, losses": Bounds(workers=1, calls=2, silences=1),
    "the validator alone": Bounds(workers=1, failures=0, attempts=3, judgements=1, server_crashes=1),
    "the validator alone, kills": Bounds(workers=1, failures=0, judgements=1, silences=1, kills=1, retries=1),
    "suspensions, questions": Bounds(questions=1, suspensions=1, kills=1, silences=1),
}
LARGE: Final = {
    "three workers": Bounds(workers=3, attempts=3, worker_crashes=1, silences=1),
    "crashes of both": Bounds(worker_crashes=2, server_crashes=1, silences=2, kills=1),
    "two stops": Bounds(stops=2, requeues=1, kills=1, server_crashes=1, silences=1, retries=1),
    "restore with two workers": Bounds(restores=1, failures=0),
    "restore with a kill": Bounds(workers=1, restores=1, kills=1),
}

_SHOWS: Final = {
    "lease_decides": Bounds(silences=1),
    "go_before_spawn": Bounds(),
    "stop_is_durable": Bounds(stops=1, server_crashes=1),
    "stop_ends_claims": Bounds(stops=1),
    "stop_holds_claims": Bounds(stops=1),
    "kill_is_durable": Bounds(kills=1),
    "order_outlives_restart": Bounds(kills=1, server_crashes=1),
    "kill_beats_result": Bounds(kills=1),
    "killed_stays_killed": Bounds(kills=1),
    "newer_kill_counts": Bounds(stops=1, kills=1, requeues=1),
    "epoch_grows": Bounds(restores=1),
    "newer_start_counts": Bounds(silences=1),
    "kill_beats_late_result": Bounds(silences=1, kills=1),
    "counted_once": Bounds(),
    "fence_before_loss": Bounds(),
    "fence_at_go": Bounds(silences=1),
    "doomed_is_ordered": Bounds(silences=1),
    "guards_before_restart": Bounds(worker_crashes=1),
    "silent_guard_is_killed": Bounds(silences=1, stopped_guards=1),
    "silent_guard_before_restart": Bounds(worker_crashes=1, stopped_guards=1),
    "faults_are_charged": Bounds(),
    "forgotten_is_gone": Bounds(server_crashes=1, forgets=1),
    "joins_in_order": Bounds(worker_crashes=1),
    "hold_is_durable": Bounds(questions=1, server_crashes=1),
    "held_is_not_claimed": Bounds(suspensions=1),
    "answer_names_its_hold": Bounds(questions=2, attempts=3),
    "kill_ends_hold": Bounds(questions=1, kills=1),
    "start_waits": Bounds(approve=ApprovalPoint.BEFORE_START),
    "reopening_ends_approval": Bounds(approve=ApprovalPoint.BEFORE_START, kills=1, retries=1),
    "approval_names_its_hold": Bounds(approve=ApprovalPoint.AFTER, rejections=1),
    "late_work_waits": Bounds(approve=ApprovalPoint.AFTER, silences=1),
    "cap_ends_session": Bounds(overspends=1),
    "cap_outlives_restart": Bounds(overspends=1, server_crashes=1),
    "cap_holds_claims": Bounds(overspends=1),
    "cap_costs_no_retry": Bounds(overspends=1),
    "token_ends_with_lease": Bounds(calls=1),
    "parked_is_ended": Bounds(calls=1),
    "answer_meets_park": Bounds(calls=1),
    "judgement_needs_verdict": Bounds(workers=1, failures=0, judgements=1),
    "judgement_is_final": Bounds(workers=1, attempts=4, judgements=1),
    "judgement_survives_ends": Bounds(workers=1, failures=0, attempts=3, judgements=1),
}


def catches(rule: str) -> Bounds:
    """Returns bounds in which the checker notices that the rule is missing."""
    return _SHOWS[rule]
