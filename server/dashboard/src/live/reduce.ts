// The swarm as the page knows it, advanced by frames. Its one rule: a delta counts only where it continues
// what is known, so that no change is lost and none counts twice.
import type { SwarmEvent, SwarmStatus, Task, Usage, Worker } from "../api/documents.ts";
import { RUNNING } from "../text/words.ts";
import type { DeltaFrame, Frame, SnapshotFrame } from "./frames.ts";

export const EVENTS_KEPT = 300;
export const ATTENTION_KEPT = 50;

export interface Swarm {
  /** The last event that is counted in here; null before the first snapshot. */
  readonly seq: number | null;
  readonly status: SwarmStatus | null;
  readonly workers: readonly Worker[];
  readonly running: ReadonlyMap<string, Task>;
  readonly attention: ReadonlyMap<string, Task>;
  /** The newest first. */
  readonly events: readonly SwarmEvent[];
}

export interface Step {
  readonly swarm: Swarm;
  /** What pages that hold more than this should take over. */
  readonly changed: readonly Task[];
  readonly removed: readonly string[];
  /** Everything may have changed: pages should load anew. */
  readonly everything: boolean;
  /** The feed has a hole: the connection must be made anew from `seq`. */
  readonly hole: boolean;
}

export const EMPTY: Swarm = {
  seq: null,
  status: null,
  workers: [],
  running: new Map(),
  attention: new Map(),
  events: [],
};

export function reduce(swarm: Swarm, frame: Frame): Step {
  switch (frame.type) {
    case "snapshot":
      return { ...still(snapshot(swarm, frame)), everything: true };
    case "delta":
      return delta(swarm, frame);
    case "pulse":
      return still({
        ...swarm,
        status: frame.status,
        workers: frame.workers,
        running: withUsage(swarm.running, frame.usage ?? {}),
      });
    case "resync":
      return still(swarm);
  }
}

function still(swarm: Swarm): Step {
  return { swarm, changed: [], removed: [], everything: false, hole: false };
}

function snapshot(swarm: Swarm, frame: SnapshotFrame): Swarm {
  return {
    seq: frame.seq,
    status: frame.status,
    workers: frame.workers,
    running: byId(frame.running),
    attention: byId(frame.attention),
    // Another history, such as a restored backup, has other events under the same numbers.
    events: sameHistory(swarm, frame) ? swarm.events.filter((event) => event.seq <= frame.seq) : [],
  };
}

function sameHistory(swarm: Swarm, frame: SnapshotFrame): boolean {
  const before = swarm.status;
  return before !== null && before.swarm_id === frame.status.swarm_id && before.epoch === frame.status.epoch;
}

function delta(swarm: Swarm, frame: DeltaFrame): Step {
  const seq = swarm.seq;
  if (seq === null || frame.from > seq) return { ...still(swarm), hole: true };
  if (frame.to <= seq) return still(swarm);
  const removed = frame.removed ?? [];
  const fresh = frame.events.filter((event) => event.seq > seq && event.seq <= frame.to);
  fresh.sort((one, other) => other.seq - one.seq);
  return {
    swarm: {
      seq: frame.to,
      status: frame.status ?? swarm.status,
      workers: frame.workers ?? swarm.workers,
      running: updated(swarm.running, frame.tasks, removed, (task) => RUNNING.has(task.status)),
      attention: newest(updated(swarm.attention, frame.tasks, removed, (task) => task.status === "failed")),
      events: withoutHoles([...fresh, ...swarm.events]).slice(0, EVENTS_KEPT),
    },
    changed: frame.tasks,
    removed,
    everything: fresh.some((event) => event.kind === "tasks_cleared"),
    hole: false,
  };
}

/** The newest events up to the first that is missing: a list with a hidden hole would tell something wrong. */
export function withoutHoles(events: readonly SwarmEvent[]): readonly SwarmEvent[] {
  const hole = events.findIndex((event, at) => at > 0 && event.seq !== (events[at - 1]?.seq ?? 0) - 1);
  return hole < 0 ? events : events.slice(0, hole);
}

function withUsage(
  running: ReadonlyMap<string, Task>,
  usage: Readonly<Record<string, Usage>>,
): ReadonlyMap<string, Task> {
  const told = Object.entries(usage).filter(([id]) => running.has(id));
  if (told.length === 0) return running;
  const next = new Map(running);
  for (const [id, used] of told) {
    const task = next.get(id);
    if (task !== undefined) next.set(id, { ...task, usage: used });
  }
  return next;
}

function byId(tasks: readonly Task[]): Map<string, Task> {
  return new Map(tasks.map((task) => [task.id, task]));
}

function updated(
  known: ReadonlyMap<string, Task>,
  tasks: readonly Task[],
  removed: readonly string[],
  belongs: (task: Task) => boolean,
): ReadonlyMap<string, Task> {
  const next = new Map(known);
  for (const id of removed) next.delete(id);
  for (const task of tasks) {
    if (belongs(task)) next.set(task.id, task);
    else next.delete(task.id);
  }
  return next;
}

function newest(tasks: ReadonlyMap<string, Task>): ReadonlyMap<string, Task> {
  const sorted = [...tasks.values()].sort((one, other) => endOf(other) - endOf(one));
  return byId(sorted.slice(0, ATTENTION_KEPT));
}

function endOf(task: Task): number {
  return task.completed_at === null ? 0 : Date.parse(task.completed_at);
}
