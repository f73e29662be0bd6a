// The documents of docs/http.md: the same that `swarmctl -o json` prints.

// As the server sorts by status.
export const STATUSES = [
  "held",
  "blocked",
  "not_started",
  "claimed",
  "in_progress",
  "killing",
  "completed",
  "failed",
  "killed",
  "skipped",
] as const;
export type Status = (typeof STATUSES)[number];
export type Role = "builder" | "validator";
export type Mode = "running" | "paused" | "stopped";
export type Counts = Partial<Record<Status, number>>;

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cost: string | null;
}

export interface KillReceipt {
  containment: string | null;
  processes_found: number;
  terminated: number;
  killed: number;
  survivors: number;
  duration_s: number | null;
  last_output: string | null;
}

/** A question or a reason that a task waits for, or has waited for; its text and its options come from a session or from a person. */
export interface Hold {
  hold_id: string;
  kind: "question" | "suspended" | "approval" | string;
  text: string;
  // With options, the answer is one of them.
  options: string[];
  // Null if the task was held before its first attempt.
  attempt: number | null;
  // Null if the end of an attempt holds the task.
  held_by: string | null;
  since: string | null;
  ended_at: string | null;
  ended_by: string | null;
  // Null while the hold lasts, and if it ended without one. Of an approval, the reason of a rejection.
  answer: string | null;
  // What is to be approved; null for another kind.
  point: "before-start" | "before-landing" | "after" | string | null;
  approved: boolean;
}

/** A note of a person for the next attempts. */
export interface Note {
  text: string;
  author: string | null;
  noted_at: string | null;
}

/** The held tasks, the most urgent first; `held` counts all of them. */
export interface Inbox {
  held: number;
  entries: InboxEntry[];
}

export interface InboxEntry {
  task: Task;
  // How many tasks wait for it, directly or not, and their estimated hours.
  waiting: number;
  waiting_hours: number | null;
}

/** What sessions with something in common have used. */
export interface CostGroup {
  // Null for tasks without a phase.
  name: string | null;
  sessions: number;
  // Those without a known price; the cost lacks theirs.
  unpriced: number;
  usage: Usage;
}

/** A file that an attempt left for people; its name and its content come from a session. */
export interface Artifact {
  attempt: number;
  name: string;
  size: number;
  sha256: string;
  stored_at: string;
  lost: boolean;
}

export interface Task {
  id: string;
  name: string;
  status: Status;
  phase: string | null;
  type: string | null;
  priority: number;
  attempt: number;
  max_retries: number;
  dependencies: string[];
  blocked_by: string[];
  worker: string | null;
  builder_session_id: string | null;
  validator_session_id: string | null;
  last_error: string | null;
  failure_class: string | null;
  cause: string | null;
  estimated_hours: number | null;
  created_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  // Of its ended attempts; null before the first has ended.
  took_s: number | null;
  usage: Usage;
  kill_receipt?: KillReceipt | null;
  // No model did this work: the offline stand-in played it.
  rehearsed: boolean;
  landed: Landing | null;
  // The ref that keeps the work of the completed attempt, if that has not landed.
  kept_ref: string | null;
  starts_at: "builder" | "landing" | "validator" | "checks" | string;
  // The attempt whose accepted work is to land.
  work_of: number | null;
  // Set while the task is held.
  hold: Hold | null;
}

export interface Landing {
  target: string;
  commit: string;
  onto: string | null;
  found: boolean;
}

export interface ChangedFile {
  path: string;
  status: string;
  // Null for a binary file.
  added: number | null;
  removed: number | null;
}

export interface Change {
  base: string;
  head: string;
  ref: string | null;
  // At most 2,000 of them.
  files: ChangedFile[];
  file_count: number;
  ignored: string[];
}

export interface Diff extends Change {
  attempt: number;
  // Null if it has more than 1 MiB.
  patch: string | null;
}

export interface Session {
  session_id: string;
  role: Role;
  runner: string | null;
  started_at: string | null;
  ended_at: string | null;
  exit_code: number | null;
  usage: Usage;
}

export interface Finding {
  finding_id: string | null;
  file: string | null;
  issue: string;
  severity: string | null;
}

export interface FindingAnswer {
  finding_id: string | null;
  kind: string | null;
  why: string | null;
}

export interface BuilderResult {
  status: string | null;
  files_created: string[];
  files_modified: string[];
  tests_written: boolean | null;
  tests_passed: boolean | null;
  implementation_notes: string | null;
  blockers: string[];
  answers: FindingAnswer[];
  questions: Question[];
}

export interface Question {
  text: string;
  options: string[];
}

export interface Check {
  command: string;
  exit_code: number;
  output_tail: string | null;
  duration_s: number | null;
}

export interface Verdict {
  verdict: "PASS" | "FAIL";
  confidence: number | null;
  test_quality_score: number | null;
  recommendations: string[];
  summary: string | null;
}

export interface LateResult {
  received_at: string | null;
  outcome: string | null;
  failure_class: string | null;
  error: string | null;
}

export interface Attempt {
  number: number;
  outcome: string | null;
  worker: string | null;
  failure_class: string | null;
  error: string | null;
  claimed_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  sessions: Session[];
  builder_result: BuilderResult | null;
  checks: Check[];
  verdict: Verdict | null;
  findings: Finding[];
  kill_receipt: KillReceipt | null;
  late_results: LateResult[];
  change: Change | null;
  landing: Landing | null;
  work_of: number | null;
  starts_at: "builder" | "landing" | "validator" | "checks" | string;
}

export interface TaskDetail extends Task {
  description: string | null;
  acceptance_criteria: string[];
  files: string[];
  design_docs: string[];
  checks: string[];
  on_dependency_failure: string | null;
  validate: boolean | null;
  labels: Record<string, string>;
  exclusive: string[];
  artifacts: string[];
  workspace: string | null;
  setup: string[];
  keep: string[];
  land: boolean | null;
  landing: string | null;
  landing_checks: string[];
  changes: string | null;
  retry_from: string | null;
  course: number[];
  attempts: Attempt[];
  // All of them, the lasting one too; the oldest first.
  holds: Hold[];
  notes: Note[];
}

export interface Reason {
  kind: string;
  message: string;
  task_ids: string[];
}

export interface Explanation {
  reasons: Reason[];
  signs: ProgramSigns | null;
}

export interface Worker {
  name: string;
  status: "online" | "draining" | "suspect" | "gone";
  slots: number;
  running: number;
  host: string | null;
  pid: number | null;
  runner: string | null;
  last_seen: string | null;
  labels: Record<string, string>;
  containment: string | null;
  version: string | null;
  task_ids: string[];
}

export interface PausedRunner {
  runner: string;
  cause: string | null;
  paused_at: string | null;
  /** Null if it is paused at every worker. */
  worker?: string | null;
  role?: Role | null;
  task_ids?: string[];
  half_open?: boolean;
  freed_by?: string | null;
}

/** The last sign of a program that runs, and when its limits end it. */
export interface ProgramSigns {
  new_at: string | null;
  times_out_at: string | null;
  stalls_at: string | null;
}

/** A task whose program has printed nothing new for a while. */
export interface QuietTask extends ProgramSigns {
  task: string;
  worker: string | null;
}

export interface SwarmStatus {
  mode: Mode;
  cause: string | null;
  done: boolean;
  total: number;
  counts: Counts;
  workers: number;
  slots: number;
  estimated_hours: number;
  completed_hours: number;
  usage: Usage;
  stop_generation: number;
  last_event_seq: number;
  version: string;
  started_at: string | null;
  epoch: number;
  swarm_id: string | null;
  expiry_paused: boolean;
  rehearsed: number;
  paused_runners: PausedRunner[];
  quiet_tasks: QuietTask[];
}

export interface SwarmEvent {
  seq: number;
  happened_at: string | null;
  kind: string;
  task: string | null;
  status: Status | null;
  attempt: number | null;
  worker: string | null;
  session_id: string | null;
  cause: string | null;
  /** Whose order it was: the name of the token. */
  actor?: string | null;
  /** The reason that came with the order. */
  because?: string | null;
}

export interface LogLine {
  cursor: number;
  session_id: string;
  role: Role;
  attempt: number;
  number: number;
  logged_at: string | null;
  kind: string;
  text: string;
}

export interface Me {
  name: string;
  role: "viewer" | "operator" | "worker";
  csrf: string;
  version: string;
  swarm_id: string | null;
}
