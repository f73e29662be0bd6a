// What needs a person, the most urgent first.
import type { Swarm } from "../../live/reduce.ts";
import { href, taskHref, tasksHref } from "../../state/route.ts";
import { ago, plural } from "../../text/format.ts";
import { plain } from "../../text/words.ts";

export interface Need {
  readonly key: string;
  readonly urgent: boolean;
  readonly title: string;
  readonly detail: string;
  readonly href: string | null;
}

const TASKS_SHOWN = 6;
// Between two tasks nothing may run for a moment; that alone alarms nobody.
const IDLE_MS = 30_000;

export function needs(swarm: Swarm, nowMs: number): Need[] {
  const status = swarm.status;
  if (status === null) return [];
  return [...held(swarm), ...workersInTrouble(swarm, nowMs), ...idle(swarm, nowMs), ...failed(swarm)];
}

/** How many things need a person, each failed task being one. */
export function needCount(swarm: Swarm, nowMs: number): number {
  const others = needs({ ...swarm, attention: new Map() }, nowMs).filter(({ key }) => key !== "more");
  return others.length + (swarm.status?.counts.failed ?? 0);
}

function held({ status }: Swarm): Need[] {
  if (status === null) return [];
  const found: Need[] = status.paused_runners.map((paused) => ({
    key: `runner ${paused.runner}`,
    urgent: true,
    title: `Runner ${paused.runner} is paused`,
    detail: `${paused.cause ?? "its provider refused for good"}. Mend that, then resume; until then it starts no session.`,
    href: href("workers"),
  }));
  if (status.mode === "paused") {
    found.push({
      key: "paused",
      urgent: false,
      title: "The swarm is paused",
      detail: `Nothing new begins until someone resumes. ${status.cause ?? ""}`,
      href: null,
    });
  }
  if (status.rehearsed > 0) {
    found.push({
      key: "rehearsed",
      urgent: false,
      title: `${plural(status.rehearsed, "completed task")} only rehearsed`,
      detail: "No model did this work: the embedded runner played it.",
      href: tasksHref({ status: "completed" }),
    });
  }
  if (status.expiry_paused) {
    found.push({
      key: "expiry",
      urgent: true,
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
      { key: "no worker", urgent: true, title: "No worker takes tasks", detail, href: href("workers") },
    ];
  }
  return workers
    .filter((worker) => worker.status === "suspect")
    .map((worker) => ({
      key: `worker ${worker.name}`,
      urgent: true,
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
      urgent: true,
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
    urgent: false,
    title: `${task.id} failed${task.failure_class ? `: ${plain(task.failure_class)}` : ""}`,
    detail: task.last_error ?? task.name,
    href: taskHref(task.id),
  }));
  const more = total - found.length;
  if (more > 0) {
    found.push({
      key: "more",
      urgent: false,
      title: `${plural(more, "more task")} failed`,
      detail: "See them all, and retry them together.",
      href: tasksHref({ status: "failed" }),
    });
  }
  return found;
}
