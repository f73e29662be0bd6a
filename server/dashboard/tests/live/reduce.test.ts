import { describe, expect, test } from "vitest";
import type { DeltaFrame, SnapshotFrame } from "../../src/live/frames.ts";
import { withHistory } from "../../src/live/history.ts";
import { ATTENTION_KEPT, EMPTY, EVENTS_KEPT, reduce, type Swarm } from "../../src/live/reduce.ts";
import { event, swarmStatus, task } from "../made.ts";

function snapshot(seq: number, more: Partial<SnapshotFrame> = {}): SnapshotFrame {
  return { type: "snapshot", seq, status: swarmStatus(), workers: [], running: [], attention: [], ...more };
}

function delta(from: number, to: number, more: Partial<DeltaFrame> = {}): DeltaFrame {
  const events = Array.from({ length: to - from }, (_, at) => event(from + 1 + at));
  return { type: "delta", from, to, events, tasks: [], ...more };
}

function at(seq: number, more: Partial<SnapshotFrame> = {}): Swarm {
  return reduce(EMPTY, snapshot(seq, more)).swarm;
}

const seqs = (swarm: Swarm) => swarm.events.map(({ seq }) => seq);

describe("a delta", () => {
  test("that continues what is known counts", () => {
    const { swarm, changed, hole } = reduce(at(5), delta(5, 7, { tasks: [task("a", "in_progress")] }));

    expect([swarm.seq, seqs(swarm), hole]).toEqual([7, [7, 6], false]);
    expect([...swarm.running.keys()]).toEqual(["a"]);
    expect(changed.map(({ id }) => id)).toEqual(["a"]);
  });

  test("that was counted already changes nothing", () => {
    const before = reduce(at(5), delta(5, 7)).swarm;

    const step = reduce(before, delta(5, 7, { tasks: [task("a", "failed")] }));

    expect(step.swarm).toBe(before);
    expect(step.changed).toEqual([]);
  });

  test("that overlaps adds only the events that are new", () => {
    const step = reduce(reduce(at(5), delta(5, 7)).swarm, delta(6, 9));

    expect(seqs(step.swarm)).toEqual([9, 8, 7, 6]);
    expect(step.swarm.seq).toBe(9);
  });

  test("beyond the next one is a hole and changes nothing", () => {
    const before = at(5);

    const step = reduce(before, delta(6, 7, { tasks: [task("a", "failed")] }));

    expect(step.hole).toBe(true);
    expect(step.swarm).toBe(before);
  });

  test("before any snapshot is a hole", () => {
    expect(reduce(EMPTY, delta(0, 1)).hole).toBe(true);
  });

  test("may tell its events in any order", () => {
    const step = reduce(at(0), delta(0, 3, { events: [event(2), event(1), event(3)] }));

    expect(seqs(step.swarm)).toEqual([3, 2, 1]);
  });

  test("may leave out the oldest of many events and still moves to its end", () => {
    const step = reduce(at(0), delta(0, 900, { events: [event(899), event(900)], skipped: 898 }));

    expect(step.swarm.seq).toBe(900);
    expect(reduce(step.swarm, delta(900, 901)).hole).toBe(false);
  });

  test("keeps no more events than it should", () => {
    const { swarm } = reduce(at(0), delta(0, EVENTS_KEPT + 50));

    expect(swarm.events.length).toBe(EVENTS_KEPT);
    expect(swarm.events[0]?.seq).toBe(EVENTS_KEPT + 50);
  });

  test("without workers or status leaves those that are known", () => {
    const before = at(1, { status: swarmStatus({ total: 9 }) });

    expect(reduce(before, delta(1, 2)).swarm.status?.total).toBe(9);
  });

  test("that clears the plan tells pages to load anew", () => {
    const step = reduce(at(1), delta(1, 2, { events: [event(2, { kind: "tasks_cleared" })] }));

    expect(step.everything).toBe(true);
  });
});

describe("running and failed tasks", () => {
  test("move with their status", () => {
    const before = at(1, { running: [task("a", "in_progress"), task("b", "claimed")] });

    const { swarm } = reduce(before, delta(1, 2, { tasks: [task("a", "failed"), task("c", "killing")] }));

    expect([...swarm.running.keys()].sort()).toEqual(["b", "c"]);
    expect([...swarm.attention.keys()]).toEqual(["a"]);
  });

  test("leave when they are removed", () => {
    const before = at(1, { running: [task("a", "in_progress")], attention: [task("b", "failed")] });

    const { swarm } = reduce(before, delta(1, 2, { removed: ["a", "b"] }));

    expect(swarm.running.size + swarm.attention.size).toBe(0);
  });

  test("that failed stand with the newest first, no more than fit", () => {
    const failed = Array.from({ length: ATTENTION_KEPT + 5 }, (_, at) =>
      task(`t${at}`, "failed", { completed_at: new Date(1000 * at).toISOString() }),
    );

    const { swarm } = reduce(at(0), delta(0, 1, { tasks: failed }));

    expect(swarm.attention.size).toBe(ATTENTION_KEPT);
    expect([...swarm.attention.keys()][0]).toBe(`t${ATTENTION_KEPT + 4}`);
  });
});

describe("a snapshot", () => {
  test("takes the place of everything and tells pages to load anew", () => {
    const step = reduce(at(5, { running: [task("a", "in_progress")] }), snapshot(9));

    expect([step.swarm.seq, step.swarm.running.size, step.everything]).toEqual([9, 0, true]);
  });

  test("of the same history keeps the events that it knows", () => {
    const before = reduce(at(0), delta(0, 3)).swarm;

    expect(seqs(reduce(before, snapshot(9)).swarm)).toEqual([3, 2, 1]);
  });

  test("of another history drops the events of the old one", () => {
    const before = reduce(at(0), delta(0, 3)).swarm;

    const { swarm } = reduce(before, snapshot(9, { status: swarmStatus({ epoch: 2 }) }));

    expect(swarm.events).toEqual([]);
  });
});

test("events after a hole that nobody can fill stand alone, so that no list hides one", () => {
  const before = reduce(at(0), delta(0, 3)).swarm;

  const { swarm } = reduce(before, delta(3, 900, { events: [event(899), event(900)], skipped: 895 }));

  expect(seqs(swarm)).toEqual([900, 899]);
});

test("events from before come under those that are known, as far as there is no hole", () => {
  const { swarm } = reduce(at(10), delta(10, 12));

  expect(seqs(withHistory(swarm, [event(9), event(10), event(11)]))).toEqual([12, 11, 10, 9]);
  expect(seqs(withHistory(swarm, [event(5), event(6)]))).toEqual([12, 11]);
});

test("a pulse tells what running tasks have used by now", () => {
  const used = { input_tokens: 7, output_tokens: 1, cost: "0.1" };
  const before = at(5, { running: [task("a", "in_progress"), task("b", "in_progress")] });

  const { swarm } = reduce(before, {
    type: "pulse",
    at: "2026-01-01T00:00:00Z",
    status: swarmStatus(),
    workers: [],
    usage: { a: used, gone: used },
  });

  expect([...swarm.running.values()].map(({ usage }) => usage.input_tokens)).toEqual([7, 0]);
});

test("a pulse brings ages and spend, and no event", () => {
  const { swarm } = reduce(at(5), {
    type: "pulse",
    at: "2026-01-01T00:00:00Z",
    status: swarmStatus({ total: 3 }),
    workers: [],
  });

  expect([swarm.seq, swarm.status?.total]).toEqual([5, 3]);
});
