import { expect, test } from "vitest";
import type { TimelineSession } from "../../src/api/swarm.ts";
import { begin } from "../../src/pages/timeline/span.ts";
import { laned } from "../../src/timeline/lanes.ts";
import { ticks } from "../../src/timeline/ticks.ts";

const at = (second: number) => new Date(1_767_268_800_000 + 1000 * second).toISOString();

function session(task: string, worker: string, from: number, to: number | null): TimelineSession {
  return {
    task,
    attempt: 1,
    role: "builder",
    worker,
    started_at: at(from),
    ended_at: to === null ? null : at(to),
    status: null,
  };
}

const byWorker = (one: TimelineSession) => one.worker ?? "";

test("sessions after each other share a lane, those at once do not", () => {
  const lanes = laned(
    [session("a", "w", 0, 10), session("b", "w", 5, 15), session("c", "w", 10, 20)],
    byWorker,
    Date.parse(at(30)),
  );

  expect(lanes.bars.map((bar) => [bar.session.task, bar.lane])).toEqual([
    ["a", 0],
    ["b", 1],
    ["c", 0],
  ]);
  expect(lanes.count).toBe(2);
});

test("each worker has lanes of its own, in the order of their numbers", () => {
  const { bands } = laned(
    [session("a", "w10", 0, 5), session("b", "w2", 0, 5), session("c", "w2", 1, 3)],
    byWorker,
    Date.parse(at(9)),
  );

  expect(bands).toEqual([
    { name: "w2", first: 0, lanes: 2 },
    { name: "w10", first: 2, lanes: 1 },
  ]);
});

test("what ended before the span is left out", () => {
  const sessions = [session("a", "w", 0, 10), session("b", "w2", 5, 30)];

  expect(
    laned(sessions, byWorker, Date.parse(at(40)), Date.parse(at(20))).bands.map(({ name }) => name),
  ).toEqual(["w2"]);
});

test("what still runs ends now", () => {
  const [bar] = laned([session("a", "w", 0, null)], byWorker, Date.parse(at(42))).bars;

  expect(bar?.endMs).toBe(Date.parse(at(42)));
});

test("no two bars of a lane overlap, whatever comes", () => {
  const many = Array.from({ length: 300 }, (_, index) =>
    session(`t${index}`, "w", (index * 37) % 101, ((index * 37) % 101) + 1 + (index % 13)),
  );

  const { bars } = laned(many, byWorker, Date.parse(at(500)));

  for (const one of bars) {
    const others = bars.filter((other) => other !== one && other.lane === one.lane);
    expect(others.every((other) => other.beginMs >= one.endMs || other.endMs <= one.beginMs)).toBe(true);
  }
});

test("the axis has round marks, no more than fit", () => {
  const from = Date.parse(at(7));
  const found = ticks(from, from + 15 * 60_000, 8);

  expect(found.length).toBeGreaterThan(3);
  expect(found.length).toBeLessThanOrEqual(9);
  expect(found.every((tick) => tick.atMs % 60_000 === 0)).toBe(true);
  expect(ticks(5, 5, 8)).toEqual([]);
});

test("the axis begins with the first session, or where it is told to", () => {
  const now = Date.parse(at(3600));

  expect(begin(0, [session("a", "w", 20, 30), session("b", "w", 10, 30)], now)).toBe(Date.parse(at(10)));
  expect(begin(0, [session("a", "w", 3590, null)], now)).toBe(now - 60_000);
  expect(begin(5, [session("a", "w", 20, 30)], now)).toBe(now - 300_000);
});

test("an axis of years has no more marks than there is room for", () => {
  const years = ticks(Date.parse("2020-01-01"), Date.parse("2099-01-01"), 10);

  expect(years.length).toBeGreaterThan(5);
  expect(years.length).toBeLessThanOrEqual(11);
});
