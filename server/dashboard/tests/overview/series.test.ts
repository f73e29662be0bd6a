import { expect, test } from "vitest";
import type { Bucket } from "../../src/api/swarm.ts";
import { durationRows, isYoung, throughputRows } from "../../src/charts/series.ts";

function bucket(minute: number, completed: number, failed = 0): Bucket {
  const at = new Date(60_000 * minute).toISOString();
  // Attempts that ended are others than tasks that did, and no chart shows them.
  const attempts = { completed: 90, failed: 90 };
  const tasks = { tasks_completed: completed, tasks_failed: failed };
  return { at, ...attempts, ...tasks, builder_median_s: completed > 0 ? 3 : null, validator_median_s: null };
}

test("the bars of failed tasks stand in front of those of all that ended", () => {
  expect(throughputRows([bucket(0, 2, 1), bucket(1, 0)])).toEqual([
    [0, 60],
    [3, 0],
    [1, 0],
  ]);
});

test("a stretch without sessions has no median", () => {
  expect(durationRows([bucket(0, 2), bucket(1, 0)])).toEqual([
    [0, 60],
    [3, null],
    [null, null],
  ]);
});

test("a swarm that has just begun is young, one that has not begun is not", () => {
  expect(isYoung([0, 0, 0, 1].map((completed, at) => bucket(at, completed)))).toBe(true);
  expect(isYoung([1, 0, 0, 1].map((completed, at) => bucket(at, completed)))).toBe(false);
  expect(isYoung([0, 0, 0, 0].map((completed, at) => bucket(at, completed)))).toBe(false);
});
