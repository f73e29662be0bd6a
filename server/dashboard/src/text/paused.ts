// What a paused runner is paused for, and what frees it, in the words of the server.
import type { PausedRunner } from "../api/documents.ts";

const SHOWN_TASKS = 5;

/** A runner may be paused for each role at each worker. */
export function pausedKey({ runner, worker, role }: PausedRunner): string {
  return `runner ${runner} ${role ?? ""} ${worker ?? ""}`;
}

/** Which role of which runner is paused, and where. */
export function pausedTitle({ runner, worker, role, half_open }: PausedRunner): string {
  const what = role === "validator" ? `The validator of runner ${runner}` : `Runner ${runner}`;
  return `${what} is ${half_open ? "half open" : "paused"}${worker ? ` at worker ${worker}` : ""}`;
}

/** Why, what frees it, and the tasks that met the fault. */
export function pausedDetail(paused: PausedRunner): string {
  const ids = paused.task_ids ?? [];
  const more = ids.length > SHOWN_TASKS ? ` and ${ids.length - SHOWN_TASKS} more` : "";
  const met = ids.length > 0 ? ` It was met by ${ids.slice(0, SHOWN_TASKS).join(", ")}${more}.` : "";
  const freed = paused.freed_by
    ? `Mend that; ${paused.freed_by}.`
    : "Mend that, then resume; until then it starts no session.";
  return `${paused.cause ?? "its provider refused for good"}. ${freed}${met}`;
}
