import { expect, test } from "vitest";
import { readTimelineQuery, writeTimelineQuery } from "../../src/pages/timeline/span.ts";
import { between, LONGEST_MS, SHORTEST_MS, shifted, stretched } from "../../src/timeline/stretch.ts";

const HOUR = 3_600_000;
const DAY = { fromMs: 24 * HOUR, toMs: 48 * HOUR };

test("a zoom keeps the time at the pointer in its place, and stays within its bounds", () => {
  expect(stretched(DAY, 0.5, 30 * HOUR)).toEqual({ fromMs: 27 * HOUR, toMs: 39 * HOUR });
  const [least, most] = [stretched(DAY, 1e-9, 30 * HOUR), stretched(DAY, 1e9, 30 * HOUR)];
  expect(least.toMs - least.fromMs).toBe(SHORTEST_MS);
  expect(most.toMs - most.fromMs).toBe(LONGEST_MS);
});

test("a move keeps the length, and a drag may go in either direction", () => {
  expect(shifted(DAY, -HOUR)).toEqual({ fromMs: 23 * HOUR, toMs: 47 * HOUR });
  expect(between(5000, 2000)).toEqual({ fromMs: 2000, toMs: 5000 });
  expect(between(5000, 5000)).toEqual({ fromMs: 5000, toMs: 5000 + SHORTEST_MS });
});

test("what is shown of the timeline survives in the address, and nonsense follows the present", () => {
  const shown = { minutes: 60, by: "task", stretch: DAY } as const;

  expect(readTimelineQuery(new URLSearchParams(writeTimelineQuery(shown).toString()))).toEqual(shown);
  for (const search of [
    "",
    "from=now&to=later",
    "from=2026-01-02&to=2026-01-01",
    "from=2026-01-01&to=2099-01-01",
    "minutes=7&by=day",
  ]) {
    expect(readTimelineQuery(new URLSearchParams(search))).toEqual({
      minutes: 0,
      by: "worker",
      stretch: null,
    });
  }
  expect(writeTimelineQuery({ minutes: 0, by: "worker", stretch: null }).toString()).toBe("");
});
