import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Task } from "../../src/api/documents.ts";
import { EMPTY } from "../../src/live/reduce.ts";
import { readQuery } from "../../src/pages/tasks/query.ts";
import { TaskList } from "../../src/pages/tasks/task-list.ts";
import { swarmStatus, task } from "../made.ts";

let stored: Task[];
let calls: URL[];
let list: TaskList;

beforeEach(() => {
  vi.useFakeTimers();
  stored = Array.from({ length: 1200 }, (_, at) => task(`t${String(at).padStart(4, "0")}`));
  calls = [];
  vi.stubGlobal("fetch", async (path: string) => {
    const url = new URL(path, "http://localhost");
    calls.push(url);
    const wanted = url.searchParams.getAll("status");
    const found = stored.filter((one) => wanted.length === 0 || wanted.includes(one.status));
    const begin = Number(url.searchParams.get("after") ?? 0);
    const end = begin + Number(url.searchParams.get("limit"));
    const next = end < found.length ? String(end) : null;
    return new Response(JSON.stringify({ tasks: found.slice(begin, end), next, total: found.length }));
  });
  list = new TaskList(readQuery(new URLSearchParams()));
});

afterEach(() => {
  list.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const show = async (text: string) => {
  list.show(readQuery(new URLSearchParams(text)));
  await vi.advanceTimersByTimeAsync(1);
};
const step = (changed: Task[], total = stored.length) => ({
  swarm: { ...EMPTY, status: swarmStatus({ total }) },
  changed,
  removed: [],
  everything: false,
  hole: false,
});

test("only the first page is loaded, and the number of all is known (D19)", async () => {
  await show("");

  expect([list.rows.value.length, list.total.value, calls.length]).toEqual([500, 1200, 1]);
});

test("scrolling on loads what is needed, up to the end", async () => {
  await show("");
  list.want(1200);
  await vi.advanceTimersByTimeAsync(1);

  expect(list.rows.value.map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
  expect(calls.length).toBe(3);
});

test("a change shows in its row at once, without asking the server", async () => {
  await show("");
  list.step(step([task("t0003", "in_progress")]));

  expect(list.rows.value[3]?.status).toBe("in_progress");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(calls.length).toBe(1);
});

test("a task that now belongs to the list is fetched, however many changes tell of it", async () => {
  await show("status=failed");
  expect(list.total.value).toBe(0);
  stored = stored.map((one) => (one.id === "t0007" ? task("t0007", "failed") : one));
  for (let times = 0; times < 50; times++) list.step(step([task("t0007", "failed")]));
  await vi.advanceTimersByTimeAsync(5000);

  expect(list.rows.value.map(({ id }) => id)).toEqual(["t0007"]);
  expect(calls.length).toBeLessThanOrEqual(3);
});

test("whoever reads far down is not moved, but told", async () => {
  await show("");
  list.want(900);
  await vi.advanceTimersByTimeAsync(1);
  const asked = calls.length;
  list.step(step([task("t0001", "failed")]));
  list.step(step([task("new")], 1201));
  await vi.advanceTimersByTimeAsync(5000);

  expect([list.stale.value, calls.length]).toEqual([true, asked]);
});

test("a change of a task that is not loaded asks for nothing; a task that is new is fetched", async () => {
  await show("");
  list.step(step([task("t1100", "failed")]));
  await vi.advanceTimersByTimeAsync(5000);
  expect(calls.length).toBe(1);

  stored = [task("first"), ...stored];
  list.step(step([task("first")]));
  await vi.advanceTimersByTimeAsync(5000);
  expect(list.rows.value[0]?.id).toBe("first");
});
