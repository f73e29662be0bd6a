// What needs a person, the most urgent first.
import type { InboxEntry, QuietTask } from "../../api/documents.ts";
import type { Swarm } from "../../live/reduce.ts";
import { href, taskHref, tasksHref } from "../../state/route.ts";
import { ago, clock, hours, middle, nothingNew, plural } from "../../text/format.ts";
import { pausedDetail, pausedKey, pausedTitle } from "../../text/paused.ts";
import { holdWord, plain } from "../../text/words.ts";

export interface Need {
  readonly key: string;
  /** `held` has the shape of that status. */
  readonly mark: "held" | "urgent" | "other";
  readonly title: string;
  readonly detail: string;
  /** What is known beside it, in a line of its own. */
  readonly facts?: string;
  readonly href: string | null;
}

const TASKS_SHOWN = 6;
// A long id would push out what is the matter.
const ID_CHARS = 48;
// Between two tasks nothing may run for a moment; that alone alarms nobody.
const IDLE_MS = 30_000;

/** `inbox` has the held tasks, as far as they are loaded. */
export function needs(swarm: Swarm, inbox: readonly InboxEntry[], nowMs: number): Need[] {
  if (swarm.status === null) return [];
  return [...held(swarm, inbox, nowMs), ...others(swarm, nowMs), ...failed(swarm)];
}

/** How many things need a person, each held and each failed task being one. */
export function needCount(swarm: Swarm, nowMs: number): number {
  const counts = swarm.status?.counts ?? {};
  return (counts.held ?? 0) + others(swarm, nowMs).length + (counts.failed ?? 0);
}

function others(swarm: Swarm, nowMs: number): Need[] {
  return [...swarmWide(swarm, nowMs), ...workersInTrouble(swarm, nowMs), ...idle(swarm, nowMs)];
}

function held({ status }: Swarm, inbox: readonly InboxEntry[], nowMs: number): Need[] {
  const total = status?.counts.held ?? 0;
  const found = inbox.slice(0, Math.min(TASKS_SHOWN, total)).map((entry) => heldNeed(entry, nowMs));
  const rest = total - found.length;
  if (rest > 0) {
    found.push({
      key: "more held",
      mark: "held",
      title: `${plural(rest, found.length > 0 ? "more task" : "task")} ${rest === 1 ? "waits" : "wait"} for a person`,
      detail: "See them all; each says what it waits for.",
      href: tasksHref({ status: "held" }),
    });
  }
  return found;
}

function heldNeed({ task, waiting, waiting_hours }: InboxEntry, nowMs: number): Need {
  const hold = task.hold;
  const behind = `${plural(waiting, "task")} ${waiting === 1 ? "waits" : "wait"} behind it`;
  const work = waiting_hours ? ` (${hours(waiting_hours)})` : "";
  const words = hold === null ? "held" : holdWord(hold);
  return {
    key: `held ${task.id}`,
    mark: "held",
    title: `${middle(task.id, ID_CHARS)} ${words.startsWith("held") ? "is " : ""}${words}`,
    detail: hold?.text ?? task.name,
    facts: [
      hold === null ? "" : ago(hold.since, nowMs),
      waiting > 0 ? `${behind}${work}` : "",
      hold !== null && hold.options.length > 0
        ? `${plural(hold.options.length, "option")} to choose from`
        : "",
    ]
      .filter((fact) => fact !== "")
      .join(" · "),
    href: taskHref(task.id),
  };
}

function quietNeed(quiet: QuietTask, nowMs: number): Need {
  const ends =
    quiet.stalls_at === null ? "" : `Worker ${quiet.worker ?? ""} ends it at ${clock(quiet.stalls_at)}.`;
  return {
    key: `quiet ${quiet.task}`,
    mark: "urgent",
    title: `${middle(quiet.task, ID_CHARS)}: ${nothingNew(quiet, nowMs)}`,
    detail: ends,
    href: taskHref(quiet.task),
  };
}

function swarmWide({ status }: Swarm, nowMs: number): Need[] {
  if (status === null) return [];
  const found: Need[] = status.quiet_tasks.slice(0, TASKS_SHOWN).map((quiet) => quietNeed(quiet, nowMs));
  for (const paused of status.paused_runners) {
    found.push({
      key: pausedKey(paused),
      mark: "urgent",
      title: pausedTitle(paused),
      detail: pausedDetail(paused),
      href: href("workers"),
    });
  }
  if (status.mode === "paused") {
    found.push({
      key: "paused",
      mark: "other",
      title: "The swarm is paused",
      detail: `Nothing new begins until someone resumes. ${status.cause ?? ""}`,
      href: null,
    });
  }
  if (status.rehearsed > 0) {
    found.push({
      key: "rehearsed",
      mark: "other",
      title: `${plural(status.rehearsed, "completed task")} only rehearsed`,
      detail: "No model did this work: the embedded runner played it.",
      href: tasksHref({ status: "completed" }),
    });
  }
  if (status.expiry_paused) {
    found.push({
      key: "expiry",
      mark: "urgent",
      title: "Most workers fell silent at once",
      detail:
        "That is more likely the network's fault or this server's than theirs: nobody is given up until they are heard again.",
      href: href("workers"),
    });
  }
  return found;
}

function workersInTrouble({ status, workers }: Swarm, nowMs: number): Need[] {
  const open = (status?.counts.not_started ?? 0) + (status?.counts.blocked ?? 0);
  if (status !== null && open > 0 && !workers.some((worker) => worker.status === "online")) {
    const detail = `${plural(open, "task")} ${open === 1 ? "waits" : "wait"}. Start one with \`swarm-worker\`.`;
    return [
      { key: "no worker", mark: "urgent", title: "No worker takes tasks", detail, href: href("workers") },
    ];
  }
  return workers
    .filter((worker) => worker.status === "suspect")
    .map((worker) => ({
      key: `worker ${worker.name}`,
      mark: "urgent",
      title: `Worker ${worker.name} is silent`,
      detail: `Last heard ${ago(worker.last_seen, nowMs)}; it holds ${plural(worker.running, "task")}, which nobody else is given meanwhile.`,
      href: href("workers"),
    }));
}

function idle({ status, running, events, workers }: Swarm, nowMs: number): Need[] {
  const ready = status?.counts.not_started ?? 0;
  const last = events[0]?.happened_at;
  if (status === null || status.mode !== "running" || ready === 0 || running.size > 0) return [];
  if (last === undefined || last === null || nowMs - Date.parse(last) < IDLE_MS || workers.length === 0)
    return [];
  return [
    {
      key: "idle",
      mark: "urgent",
      title: "Nothing runs",
      detail: `${plural(ready, "task")} could start, and none does. Open one to see why.`,
      href: tasksHref({ status: "not_started" }),
    },
  ];
}

function failed({ status, attention }: Swarm): Need[] {
  const total = status?.counts.failed ?? 0;
  const found: Need[] = [...attention.values()].slice(0, TASKS_SHOWN).map((task) => ({
    key: `task ${task.id}`,
    mark: "other",
    title: `${middle(task.id, ID_CHARS)} failed${task.failure_class ? `: ${plain(task.failure_class)}` : ""}`,
    detail: task.last_error ?? task.name,
    href: taskHref(task.id),
  }));
  const more = total - found.length;
  if (more > 0) {
    found.push({
      key: "more",
      mark: "other",
      title: `${plural(more, "more task")} failed`,
      detail: "See them all, and retry them together.",
      href: tasksHref({ status: "failed" }),
    });
  }
  return found;
}
