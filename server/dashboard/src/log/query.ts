// What of a log is shown, as the address has it: a link shows the same lines.
import { href, replace, route } from "../state/route.ts";

export interface LogQuery {
  readonly role: string;
  /** 0 is the latest. */
  readonly attempt: number;
  readonly q: string;
  /** The cursor of the line that a link leads to; 0 is none. */
  readonly line: number;
  /** Every tool call is shown whole. */
  readonly open: boolean;
}

const whole = (text: string | null) => (text !== null && /^\d{1,16}$/.test(text) ? Number(text) : 0);

export function readLogQuery(search: URLSearchParams): LogQuery {
  const role = search.get("role") ?? "";
  return {
    role: role === "builder" || role === "validator" ? role : "",
    attempt: whole(search.get("attempt")),
    q: search.get("q") ?? "",
    line: whole(search.get("line")),
    open: search.get("open") === "1",
  };
}

export function writeLogQuery({ role, attempt, q, line, open }: LogQuery): URLSearchParams {
  const search = new URLSearchParams();
  if (role !== "") search.set("role", role);
  if (attempt > 0) search.set("attempt", String(attempt));
  if (q !== "") search.set("q", q);
  if (line > 0) search.set("line", String(line));
  if (open) search.set("open", "1");
  return search;
}

/** Changes the address of the task's page, without a step in the history. */
export function showLog(task: string, change: Partial<LogQuery>): void {
  const next = { ...readLogQuery(route.value.query), line: 0, ...change };
  replace(href("task", task, writeLogQuery(next)));
}
