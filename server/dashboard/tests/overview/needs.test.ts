import { expect, test } from "vitest";
import { EMPTY, type Swarm } from "../../src/live/reduce.ts";
import { needCount, needs } from "../../src/pages/overview/needs.ts";
import { event, inboxEntry, swarmStatus, task, worker } from "../made.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const well: Swarm = { ...EMPTY, status: swarmStatus(), workers: [worker("w")] };
const titles = (swarm: Swarm) => needs(swarm, [], NOW).map(({ title }) => title);

test("nothing is needed where all is well", () => {
  expect(titles(well)).toEqual([]);
  expect(titles(EMPTY)).toEqual([]);
});

test("a runner whose provider refused comes before failed tasks, with what to do", () => {
  const paused = [{ runner: "amplifier", cause: "the key is not valid", paused_at: null }];
  const attention = new Map([["a", task("a", "failed")]]);

  const [first, second] = needs(
    { ...well, attention, status: swarmStatus({ paused_runners: paused }) },
    [],
    NOW,
  );

  expect(first?.title).toBe("Runner amplifier is paused");
  expect(first?.detail).toContain("the key is not valid. Mend that, then resume");
  expect(second?.title).toBe("a failed");
});

test("what pauses a runner and what frees it stand in the server's words, once for each role and worker", () => {
  const pause = { runner: "command", cause: "3 tasks in a row ended alike", paused_at: null };
  const paused = [
    {
      ...pause,
      worker: "w1",
      role: "builder" as const,
      task_ids: ["a", "b"],
      freed_by: "`swarmctl resume` lets one task through",
    },
    { ...pause, worker: "w2", role: "validator" as const, half_open: true },
  ];

  const found = needs({ ...well, status: swarmStatus({ paused_runners: paused }) }, [], NOW);

  expect(found.map(({ title }) => title)).toEqual([
    "Runner command is paused at worker w1",
    "The validator of runner command is half open at worker w2",
  ]);
  expect(found[0]?.detail).toBe(
    "3 tasks in a row ended alike. Mend that; `swarmctl resume` lets one task through. It was met by a, b.",
  );
  expect(new Set(found.map(({ key }) => key)).size).toBe(2);
});

test("a task whose program prints nothing new comes first, with since when", () => {
  const quiet = {
    task: "2.1",
    worker: "w",
    new_at: "2026-01-01T11:53:30Z",
    times_out_at: "2026-01-01T13:00:00Z",
    stalls_at: "2026-01-01T12:08:30Z",
  };

  const [first] = needs({ ...well, status: swarmStatus({ quiet_tasks: [quiet] }) }, [], NOW);

  expect(first?.title).toBe("2.1: nothing new for 6 min");
  expect(first?.detail).toContain("Worker w ends it at");
  expect(needCount({ ...well, status: swarmStatus({ quiet_tasks: [quiet] }) }, NOW)).toBe(1);
});

test("rehearsed tasks are named, so that nobody takes them for work", () => {
  const [need] = needs({ ...well, status: swarmStatus({ rehearsed: 2 }) }, [], NOW);

  expect(need?.title).toBe("2 completed tasks only rehearsed");
  expect(need?.detail).toContain("No model did this work");
});

test("a worker that is silent is named, with what it holds", () => {
  const silent = worker("w2", { status: "suspect", running: 2, last_seen: "2026-01-01T11:58:00Z" });

  const [need] = needs({ ...well, workers: [worker("w"), silent] }, [], NOW);

  expect(need?.title).toBe("Worker w2 is silent");
  expect(need?.detail).toContain("2 m 00 s ago; it holds 2 tasks");
});

test("tasks that wait without any worker are told once", () => {
  expect(titles({ ...well, workers: [], status: swarmStatus({ counts: { not_started: 3 } }) })).toEqual([
    "No worker takes tasks",
  ]);
});

test("a swarm in which nothing moves for a while is told; between two tasks it is not", () => {
  const idle = (happened_at: string): Swarm => ({
    ...well,
    status: swarmStatus({ counts: { not_started: 3 } }),
    events: [event(1, { happened_at })],
  });

  expect(titles(idle("2026-01-01T11:59:50Z"))).toEqual([]);
  expect(titles(idle("2026-01-01T11:50:00Z"))).toEqual(["Nothing runs"]);
});

test("many failed tasks are shown as some and a number", () => {
  const attention = new Map(Array.from({ length: 20 }, (_, at) => [`t${at}`, task(`t${at}`, "failed")]));

  const found = titles({ ...well, attention, status: swarmStatus({ counts: { failed: 70 } }) });

  expect(found.length).toBe(7);
  expect(found.at(-1)).toBe("64 more tasks failed");
});

test("held tasks come first, with who waits since when, and how much waits behind", () => {
  const paused = [{ runner: "amplifier", cause: "no credit", paused_at: null }];
  const swarm = { ...well, status: swarmStatus({ counts: { held: 2 }, paused_runners: paused }) };
  const inbox = [
    inboxEntry("a", { text: "Which\nport?", options: ["80", "8080"] }, { waiting: 3, waiting_hours: 2.5 }),
    inboxEntry("b", { kind: "suspended", text: "wait for the fair", held_by: "ann" }, { waiting: 1 }),
  ];

  const [first, second, third] = needs(swarm, inbox, NOW);

  expect([first?.title, first?.detail]).toEqual(["a asks", "Which\nport?"]);
  expect(first?.facts).toBe("5 m 00 s ago · 3 tasks wait behind it (2.5 h) · 2 options to choose from");
  expect(first?.href).toBe("#/task/a");
  expect([second?.title, second?.facts]).toEqual([
    "b is held by ann",
    "5 m 00 s ago · 1 task waits behind it",
  ]);
  expect(third?.title).toBe("Runner amplifier is paused");
});

test("held tasks that are not shown, or not loaded yet, are counted", () => {
  const swarm = (held: number) => ({ ...well, status: swarmStatus({ counts: { held } }) });
  const inbox = Array.from({ length: 9 }, (_, at) => inboxEntry(`t${at}`));
  const last = (held: number, entries = inbox) => needs(swarm(held), entries, NOW).at(-1);

  expect([last(9)?.title, last(9)?.href]).toEqual(["3 more tasks wait for a person", "#/tasks?status=held"]);
  expect(last(2, [])?.title).toBe("2 tasks wait for a person");
  expect(last(1, [])?.title).toBe("1 task waits for a person");
  expect(last(0)).toBe(undefined);
});

test("the count has each held and each failed task, shown or not", () => {
  const paused = [{ runner: "amplifier", cause: null, paused_at: null }];
  const counts = { held: 20, failed: 70 };

  expect(needCount({ ...well, status: swarmStatus({ counts, paused_runners: paused }) }, NOW)).toBe(91);
  expect(needCount(EMPTY, NOW)).toBe(0);
});
