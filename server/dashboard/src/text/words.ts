// The words of the swarm for people, one place for each.
import type { Hold, Landing, Status, SwarmEvent, Task } from "../api/documents.ts";

export const RUNNING: ReadonlySet<Status> = new Set(["claimed", "in_progress", "killing"]);
export const WAITING: ReadonlySet<Status> = new Set(["blocked", "not_started"]);

// Only these two differ from the names of the statuses: "not started" would not tell what can start from what waits.
const STATUS_WORDS: Partial<Record<Status, string>> = { not_started: "ready", blocked: "waiting" };

export function statusWord(status: Status): string {
  return STATUS_WORDS[status] ?? plain(status);
}

export const STATUS_MEANINGS: Record<Status, string> = {
  held: "waits for a person",
  blocked: "waits for other tasks",
  not_started: "can start when a worker is free and no pause between attempts runs",
  claimed: "given to a worker, no session yet",
  in_progress: "a session runs",
  killing: "its processes are being ended",
  completed: "accepted",
  failed: "no retry is left",
  killed: "ended by a person until a retry",
  skipped: "a task that it depends on did not complete",
};

export function plain(word: string | null): string {
  return (word ?? "").replaceAll("_", " ");
}

const PRIORITIES = new Map([
  [4, "critical"],
  [3, "high"],
  [2, "medium"],
  [1, "low"],
]);

export function priorityWord(priority: number): string {
  return PRIORITIES.get(priority) ?? String(priority);
}

/** Whether a kill means something: what has ended by itself can't be killed any more. */
export function canKill(status: Status): boolean {
  return RUNNING.has(status) || WAITING.has(status) || status === "skipped" || status === "held";
}

/** Returns true if the task can be kept from starting: it has neither started nor ended. */
export function canHold(status: Status): boolean {
  return WAITING.has(status);
}

export function canRetry(status: Status): boolean {
  return status === "failed" || status === "killed" || status === "skipped" || status === "held";
}

/** What a running task's latest session is for: its id carries attempt and role. */
export function roleOf(task: Task): "builder" | "validator" | null {
  if (task.validator_session_id?.includes(`-a${task.attempt}-validator`)) return "validator";
  return task.builder_session_id?.includes(`-a${task.attempt}-builder`) ? "builder" : null;
}

// An attempt that its worker lost, or that a provider held up, uses up no retry: so there may be more than were meant.
const isBeyond = (task: Task) => task.attempt > task.max_retries + 1;

export function attemptWords(task: Task): string {
  if (task.attempt === 0) return "not begun";
  return `attempt ${task.attempt}${isBeyond(task) ? "" : ` of at most ${task.max_retries + 1}`}`;
}

export function attemptShort(task: Task): string {
  if (task.attempt === 0) return "–";
  return isBeyond(task) ? String(task.attempt) : `${task.attempt}/${task.max_retries + 1}`;
}

/** Whether its work is on the target; a task that was retried since may have landed before. */
export function isLanded(task: Task): task is Task & { landed: Landing } {
  return task.status === "completed" && task.landed !== null;
}

/** Returns the verb of a hold, to stand after the name of the task or before the text. */
export function holdWord(hold: Hold): string {
  if (hold.kind === "question") return "asks";
  if (hold.kind === "approval") return "waits for an approval";
  return hold.held_by === null ? plain(hold.kind) : `held by ${hold.held_by}`;
}

/** Why the task is where it is, as far as the task itself knows. */
export function why(task: Task): string {
  if (task.blocked_by.length > 0) return `waits for ${task.blocked_by.join(", ")}`;
  if (task.hold !== null) return `${holdWord(task.hold)}: ${task.hold.text}`;
  if (isLanded(task)) return `landed on ${task.landed.target}`;
  return task.cause ?? task.last_error ?? "";
}

/** What happened, without the task that it happened to. */
export function eventWords(event: SwarmEvent): string {
  const { cause, actor, because } = event;
  const where = [
    event.attempt ? `attempt ${event.attempt}` : "",
    event.task ? (event.worker ?? "") : "",
    actor && !cause?.includes(actor) ? `by ${actor}` : "",
  ];
  const place = where.filter((part) => part !== "").join(", ");
  const why = [cause ?? "", because && !cause?.includes(because) ? because : ""];
  const reason = why.filter((part) => part !== "").join("; ");
  return `${plain(event.kind)}${place ? ` (${place})` : ""}${reason ? `: ${reason}` : ""}`;
}
