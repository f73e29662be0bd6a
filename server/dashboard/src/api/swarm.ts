// Every route of docs/http.md that the page uses, by name.
import type {
  Artifact,
  CostGroup,
  Counts,
  Diff,
  Explanation,
  Inbox,
  LogLine,
  Me,
  Role,
  Status,
  SwarmEvent,
  SwarmStatus,
  Task,
  TaskDetail,
  Worker,
} from "./documents.ts";
import { get, getFile, post } from "./http.ts";

export interface TaskFilter {
  status: readonly Status[];
  phase: string;
  q: string;
}

export interface TaskPage {
  tasks: Task[];
  next: string | null;
  total: number;
}

export interface LogPage {
  entries: LogLine[];
  next: number | null;
  ended: boolean;
}

export type GraphAnswer =
  | {
      seq: number;
      nodes: GraphNode[];
      edges: [string, string][];
      phases?: undefined;
    }
  | { seq: number; phases: PhaseNode[]; edges: [string | null, string | null, number][]; nodes?: undefined };

export interface GraphNode {
  id: string;
  name: string;
  phase: string | null;
  status: Status;
}

export interface PhaseNode {
  phase: string | null;
  counts: Counts;
}

export interface TimelineSession {
  task: string;
  attempt: number;
  role: Role;
  worker: string | null;
  started_at: string;
  ended_at: string | null;
  status: string | null;
}

export interface Bulk {
  matched: number;
  done: number;
  refused: { id: string; reason: string; message: string }[];
}

export interface Bucket {
  at: string;
  completed: number;
  failed: number;
  tasks_completed: number;
  tasks_failed: number;
  builder_median_s: number | null;
  validator_median_s: number | null;
}

/** What is known of a worker as soon as a stop is in force. */
export interface OrderedWorker {
  worker: string;
  reach: "ordered" | "unreachable" | string;
  stopped_by: string | null;
}

export type Stopped = SwarmStatus & { receipts: OrderedWorker[] };

/** A text, or the number of an option of the question, from 1. */
export type Answer = { text: string } | { option: number };

/** What a retry asks for besides full budgets. */
export interface RetryTerms {
  completed?: boolean;
  with_dependents?: boolean;
  only?: "validator" | "checks";
  dry_run?: boolean;
}

export type Selection = { ids: readonly string[] } | { filter: Partial<TaskFilter> };

const task = (id: string) => `/api/tasks/${encodeURIComponent(id)}`;

export const api = {
  /** `justLoggedIn` after a login link: the server then ends a login whose CSRF token somebody else has got. */
  me: (justLoggedIn = false) => get<Me>("/api/me", justLoggedIn ? { login: "new" } : {}),
  login: (token: string) => post<Me>("/login", { token }),
  logout: () => post<null>("/logout"),
  tasks: (
    filter: TaskFilter,
    page: { sort?: string; order?: string; limit: number; after?: string },
    signal?: AbortSignal,
  ) => get<TaskPage>("/api/tasks", { ...filter, ...page }, signal),
  task: (id: string, signal?: AbortSignal) => get<TaskDetail>(task(id), {}, signal),
  explain: (id: string) => get<Explanation>(`${task(id)}/explain`),
  log: (
    id: string,
    query: {
      role: string;
      attempt: number;
      after?: number;
      tail?: number;
      q?: string;
      kind?: string;
      wait_s?: number;
      limit: number;
    },
    signal?: AbortSignal,
  ) => get<LogPage>(`${task(id)}/log`, query, signal),
  diff: (id: string, attempt: number, signal?: AbortSignal) =>
    get<Diff>(`${task(id)}/diff`, { attempt }, signal),
  artifacts: (id: string, signal?: AbortSignal) =>
    get<{ artifacts: Artifact[] }>(`${task(id)}/artifacts`, {}, signal),
  artifact: (id: string, { name, attempt }: Artifact) =>
    getFile(`${task(id)}/artifacts/content`, { name, attempt }),
  events: (query: { after?: number; limit: number; task?: string }) =>
    get<{ events: SwarmEvent[]; next: number }>("/api/log", query),
  graph: (phase?: string) => get<GraphAnswer>("/api/graph", phase === undefined ? {} : { phase }),
  timeline: (query: { since: string; until: string; limit: number }) =>
    get<{ sessions: TimelineSession[] }>("/api/timeline", query),
  costs: (query: { by: string; since?: string; utc_offset_min: number }, signal?: AbortSignal) =>
    get<{ groups: CostGroup[] }>("/api/costs", query, signal),
  throughput: (minutes: number) => get<{ buckets: Bucket[] }>("/api/throughput", { minutes }),
  workers: () => get<{ workers: Worker[] }>("/api/workers"),
  kill: (id: string, cause: string) => post<Task>(`${task(id)}/kill`, { cause }),
  retry: (id: string) => post<Task>(`${task(id)}/retry`),
  rerun: (id: string, terms: RetryTerms) => post<Task & { put_back: string[] }>(`${task(id)}/retry`, terms),
  land: (id: string) => post<Task>(`${task(id)}/land`),
  hold: (id: string, cause: string) => post<Task>(`${task(id)}/hold`, { cause }),
  unhold: (id: string) => post<Task>(`${task(id)}/unhold`),
  answer: (id: string, holdId: string, given: Answer) =>
    post<Task>(`${task(id)}/answer`, { hold_id: holdId, ...given }),
  approve: (id: string, holdId: string) => post<Task>(`${task(id)}/approve`, { hold_id: holdId }),
  reject: (id: string, holdId: string, text: string) =>
    post<Task>(`${task(id)}/reject`, { hold_id: holdId, text }),
  raiseBudget: (id: string, more: { add_cost: string; add_tokens: number }) =>
    post<Task>(`${task(id)}/budget`, more),
  note: (id: string, text: string) => post<Task>(`${task(id)}/note`, { text }),
  inbox: (signal?: AbortSignal) => get<Inbox>("/api/inbox", {}, signal),
  bulk: (verb: "kill" | "retry", selection: Selection, dryRun: boolean, cause = "") =>
    post<Bulk>(`/api/tasks/${verb}`, { ...selection, dry_run: dryRun, ...(cause ? { cause } : {}) }),
  drain: (worker: string, deadlineS: number | null) =>
    post<unknown>(
      `/api/workers/${encodeURIComponent(worker)}/drain`,
      deadlineS === null ? {} : { deadline_s: deadlineS },
    ),
  emergencyStop: (cause: string) => post<Stopped>("/api/emergency-stop", { cause }),
  pause: (cause: string) => post<SwarmStatus>("/api/pause", { cause }),
  resume: (requeue: boolean) => post<SwarmStatus & { requeued?: string[] }>("/api/resume", { requeue }),
  gracefulShutdown: (deadlineS: number | null) =>
    post<unknown>("/api/graceful-shutdown", deadlineS === null ? {} : { deadline_s: deadlineS }),
};
