// How an emergency stop goes, worker by worker: which sessions it is ending, and the receipt of each.
import { effect, signal } from "@preact/signals";
import type { KillReceipt, Task } from "../api/documents.ts";
import { api, type OrderedWorker } from "../api/swarm.ts";
import { onStep, status } from "../live/store.ts";

export interface Ending {
  readonly task: string;
  readonly worker: string;
  readonly status: "killing" | "killed";
  /** null while it is on its way, and for good if no session was running or its worker never told. */
  readonly receipt: KillReceipt | null;
}

export interface WorkerReceipt {
  readonly worker: string;
  readonly endings: readonly Ending[];
  readonly gone: number;
  /** How many of these told how it went. */
  readonly told: number;
  readonly found: number;
  readonly terminated: number;
  readonly killed: number;
  readonly survivors: number;
}

/** By when workers that can't be reached have ended their sessions by themselves. */
export const unreachable = signal<ReadonlyMap<string, string | null>>(new Map());

/** Takes what the order to stop was answered with. */
export function noteOrders(orders: readonly OrderedWorker[]): void {
  const lost = orders.filter(({ reach }) => reach === "unreachable");
  unreachable.value = new Map(lost.map(({ worker, stopped_by }) => [worker, stopped_by]));
}

export const endings = signal<ReadonlyMap<string, Ending>>(new Map());

/** Endings by worker, the ones that still wait first. */
export function byWorker(all: Iterable<Ending>): WorkerReceipt[] {
  const groups = new Map<string, Ending[]>();
  for (const ending of all) groups.set(ending.worker, [...(groups.get(ending.worker) ?? []), ending]);
  const receipts = [...groups].map(([worker, group]) => summed(worker, group));
  return receipts.sort(
    (one, other) =>
      Number(one.gone === one.endings.length) - Number(other.gone === other.endings.length) ||
      one.worker.localeCompare(other.worker),
  );
}

function summed(worker: string, group: readonly Ending[]): WorkerReceipt {
  const receipts = group.map((ending) => ending.receipt).filter((found) => found !== null);
  const sum = (pick: (receipt: KillReceipt) => number) =>
    receipts.reduce((total, receipt) => total + pick(receipt), 0);
  return {
    worker,
    endings: group,
    gone: group.filter((ending) => ending.status === "killed").length,
    told: receipts.length,
    found: sum((receipt) => receipt.processes_found),
    terminated: sum((receipt) => receipt.terminated),
    killed: sum((receipt) => receipt.killed),
    survivors: sum((receipt) => receipt.survivors),
  };
}

/** Whether a task is one that this stop ended: it has the stop's cause and had been claimed. */
export function endedByStop(task: Task, cause: string | null): task is Task & { status: Ending["status"] } {
  return (task.status === "killing" || task.status === "killed") && task.attempt > 0 && task.cause === cause;
}

function note(tasks: readonly Task[], cause: string | null): void {
  const found = tasks.filter((task) => endedByStop(task, cause));
  if (found.length === 0) return;
  const next = new Map(endings.value);
  for (const task of found) {
    const receipt = task.kill_receipt ?? next.get(task.id)?.receipt ?? null;
    next.set(task.id, {
      task: task.id,
      worker: task.worker ?? "–",
      status: task.status as Ending["status"],
      receipt,
    });
  }
  endings.value = next;
}

const LOOKED_AT = 500;

async function load(cause: string | null): Promise<void> {
  const filter = { status: ["killing", "killed"] as const, phase: "", q: "" };
  try {
    const page = await api.tasks(filter, { sort: "completed_at", order: "desc", limit: LOOKED_AT });
    note(page.tasks, cause);
  } catch {
    // What ends from now on still shows.
  }
}

/** Follows the stop that is in force, for as long as the page lives. */
export function followStops(): void {
  let generation = -1;
  effect(() => {
    const now = status.value;
    if (now === null || now.mode !== "stopped" || now.stop_generation === generation) return;
    generation = now.stop_generation;
    endings.value = new Map();
    void load(now.cause);
  });
  onStep((step) => {
    const now = status.peek();
    if (now?.mode === "stopped") note(step.changed, now.cause);
  });
}
