import { describe, expect, test } from "vitest";
import {
  ago,
  between,
  count,
  middle,
  money,
  percent,
  plural,
  short,
  since,
  span,
  sumOfCosts,
} from "../../src/text/format.ts";
import { attemptShort, attemptWords, eventWords, isLanded, why } from "../../src/text/words.ts";
import { event, task } from "../made.ts";

test.each([
  [null, "–"],
  [Number.NaN, "–"],
  [-3, "0 ms"],
  [0.04, "40 ms"],
  [3.24, "3.2 s"],
  [59.9, "59 s"],
  [60, "1 m 00 s"],
  [3599, "59 m 59 s"],
  [3600, "1 h 00 m"],
  [86_399, "23 h 59 m"],
  [90_000, "1 d 01 h"],
])("a span of %s seconds is %s", (seconds, text) => {
  expect(span(seconds)).toBe(text);
});

test.each([
  [0, "0"],
  [999, "999"],
  [1000, "1.00 k"],
  [15_474, "15.5 k"],
  [999_960, "1.00 M"],
  [4_560_000, "4.56 M"],
])("%s in short is %s", (value, text) => {
  expect(short(value)).toBe(text);
});

test.each([
  [null, "–"],
  ["", "–"],
  ["nonsense", "–"],
  ["0", "$0.00"],
  ["0.0034075", "$0.0034"],
  ["3.456", "$3.46"],
  ["1234.5", "$1235"],
])("a cost of %s is %s", (cost, text) => {
  expect(money(cost)).toBe(text);
});

describe("percent", () => {
  test("is never whole while something is missing", () => {
    expect(percent(9999, 10_000)).toBe("99 %");
    expect(percent(10_000, 10_000)).toBe("100 %");
  });

  test("of nothing is unknown", () => {
    expect(percent(0, 0)).toBe("–");
  });
});

test("an age ticks in whole seconds and is never negative", () => {
  const at = "2026-01-01T00:00:00Z";

  expect(since(at, Date.parse(at) + 3900)).toBe("3 s");
  expect(since(at, Date.parse(at) - 5000)).toBe("0 s");
  expect(since(at, Date.parse(at) + 65_000)).toBe("1 m 05 s");
  expect(since(null, 0)).toBe("–");
  expect(ago(null, 0)).toBe("never");
});

test("the rest", () => {
  expect(between("2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z")).toBe(90);
  expect(between(null, "2026-01-01T00:01:30Z")).toBeNull();
  expect(count(1_234_567)).toBe("1,234,567");
  expect([plural(1, "task"), plural(2, "task")]).toEqual(["1 task", "2 tasks"]);
});

test("attempts beyond those that were meant are not counted against them", () => {
  const at = (attempt: number) => task("a", "in_progress", { attempt, max_retries: 2 });

  expect([at(0), at(2), at(4)].map(attemptShort)).toEqual(["–", "2/3", "4"]);
  expect([at(0), at(2), at(4)].map(attemptWords)).toEqual([
    "not begun",
    "attempt 2 of at most 3",
    "attempt 4",
  ]);
});

test("only a completed task counts as landed", () => {
  const landed = { target: "swarm/main", commit: "c".repeat(40), onto: null, found: false };

  expect(why(task("a", "completed", { landed }))).toBe("landed on swarm/main");
  expect(isLanded(task("a", "not_started", { landed }))).toBe(false);
  expect(why(task("a", "completed"))).toBe("");
});

test("an event of a landing says where", () => {
  const landing = event(1, {
    kind: "task_landing",
    task: "a",
    attempt: 2,
    worker: "w",
    cause: "on swarm/main",
  });
  expect(eventWords(landing)).toBe("task landing (attempt 2, w): on swarm/main");
});

test("costs are summed exactly, and unknown ones are left out", () => {
  expect(sumOfCosts(["0.1", "0.2", null])).toBe("0.300000000");
  expect(sumOfCosts(["12345678901234567890.000000001", "1"])).toBe("12345678901234567891.000000001");
  expect(sumOfCosts([null])).toBe(null);
});

test("the middle of a long text is left out, never its ends", () => {
  expect(middle("short", 5)).toBe("short");
  expect(middle("abcdefghij", 7)).toBe("abc…hij");
  expect(middle("abcdefghij", 6)).toBe("abc…ij");
});
