// What tests are made of: documents with the fields that a test does not care about filled in.
import type {
  Attempt,
  Hold,
  InboxEntry,
  LogLine,
  Status,
  SwarmEvent,
  SwarmStatus,
  Task,
  Worker,
} from "../src/api/documents.ts";

export function task(id: string, status: Status = "not_started", more: Partial<Task> = {}): Task {
  return {
    id,
    name: `Task ${id}`,
    status,
    phase: null,
    type: null,
    priority: 2,
    attempt: 0,
    max_retries: 2,
    dependencies: [],
    blocked_by: [],
    worker: null,
    builder_session_id: null,
    validator_session_id: null,
    last_error: null,
    failure_class: null,
    cause: null,
    estimated_hours: null,
    created_at: null,
    started_at: null,
    completed_at: null,
    took_s: null,
    usage: { input_tokens: 0, output_tokens: 0, cost: null },
    rehearsed: false,
    landed: null,
    kept_ref: null,
    starts_at: "builder",
    work_of: null,
    hold: null,
    ...more,
  };
}

export function hold(more: Partial<Hold> = {}): Hold {
  return {
    hold_id: "1-1",
    kind: "question",
    text: "Which port?",
    options: [],
    attempt: 1,
    held_by: null,
    since: "2026-01-01T11:55:00Z",
    ended_at: null,
    ended_by: null,
    answer: null,
    point: null,
    approved: false,
    ...more,
  };
}

export function inboxEntry(id: string, held: Partial<Hold> = {}, more: Partial<InboxEntry> = {}): InboxEntry {
  return { task: task(id, "held", { hold: hold(held) }), waiting: 0, waiting_hours: 0, ...more };
}

export function swarmStatus(more: Partial<SwarmStatus> = {}): SwarmStatus {
  return {
    mode: "running",
    cause: null,
    done: false,
    total: 0,
    counts: {},
    workers: 1,
    slots: 1,
    estimated_hours: 0,
    completed_hours: 0,
    usage: { input_tokens: 0, output_tokens: 0, cost: null },
    stop_generation: 0,
    last_event_seq: 0,
    version: "0.0.0",
    started_at: null,
    epoch: 1,
    swarm_id: "s",
    expiry_paused: false,
    rehearsed: 0,
    paused_runners: [],
    quiet_tasks: [],
    ...more,
  };
}

export function worker(name: string, more: Partial<Worker> = {}): Worker {
  return {
    name,
    status: "online",
    slots: 1,
    running: 0,
    host: null,
    pid: null,
    runner: "command",
    last_seen: null,
    labels: {},
    containment: null,
    version: null,
    task_ids: [],
    ...more,
  };
}

export function event(seq: number, more: Partial<SwarmEvent> = {}): SwarmEvent {
  return {
    seq,
    happened_at: null,
    kind: "task_ready",
    task: null,
    status: null,
    attempt: null,
    worker: null,
    session_id: null,
    cause: null,
    ...more,
  };
}

export function logLine(cursor: number, text = `line ${cursor}`, more: Partial<LogLine> = {}): LogLine {
  return {
    cursor,
    session_id: "t-a1-builder-1",
    role: "builder",
    attempt: 1,
    number: cursor,
    logged_at: null,
    kind: "output",
    text,
    ...more,
  };
}

export function attempt(number: number, more: Partial<Attempt> = {}): Attempt {
  return {
    number,
    outcome: null,
    worker: null,
    failure_class: null,
    error: null,
    claimed_at: null,
    started_at: null,
    ended_at: null,
    sessions: [],
    builder_result: null,
    checks: [],
    verdict: null,
    findings: [],
    kill_receipt: null,
    late_results: [],
    change: null,
    landing: null,
    work_of: null,
    starts_at: "builder",
    ...more,
  };
}
