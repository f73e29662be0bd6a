import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LogPage } from "../../src/api/swarm.ts";
import { type FollowState, LogFollower } from "../../src/log/follower.ts";
import { logLine } from "../made.ts";

let stored: number;
let ended: boolean;
let asked: (number | undefined)[];
let taken: number[];
let waits: boolean[];
let state: FollowState;
let broken: boolean;
let follower: LogFollower;

beforeEach(() => {
  vi.useFakeTimers();
  [stored, ended, asked, taken, waits, broken] = [0, false, [], [], [], false];
  follower = new LogFollower(
    {
      page: async (after, wait, limit): Promise<LogPage> => {
        asked.push(after);
        waits.push(wait);
        if (broken) throw new Error("gone");
        const first = (after ?? 0) + 1;
        const entries = Array.from({ length: Math.min(limit, Math.max(0, stored - first + 1)) }, (_, at) =>
          logLine(first + at),
        );
        return { entries, next: entries.at(-1)?.cursor ?? after ?? null, ended };
      },
    },
    {
      added: (entries) => taken.push(...entries.map(({ cursor }) => cursor)),
      state: (next) => (state = next),
    },
  );
});

afterEach(() => {
  follower.close();
  vi.useRealTimers();
});

const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);

test("a long log is read page by page to its end, each entry once", async () => {
  stored = 100_000;
  follower.poke();
  await vi.advanceTimersByTimeAsync(10);

  expect(taken).toEqual(upTo(100_000));
  expect(state).toEqual({ loading: false, ended: false, error: null });
});

test("what is written later comes later", async () => {
  stored = 3;
  follower.poke();
  await vi.advanceTimersByTimeAsync(10);
  stored = 5;
  await vi.advanceTimersByTimeAsync(1000);

  expect(taken).toEqual(upTo(5));
  expect(asked.at(1)).toBe(3);
  expect(waits.slice(0, 2)).toEqual([false, true]);
});

test("an ended log is not asked for again, until something tells that there may be more", async () => {
  [stored, ended] = [2, true];
  follower.poke();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.length).toBe(1);

  [stored, ended] = [4, false];
  follower.poke();
  await vi.advanceTimersByTimeAsync(10);
  expect(taken).toEqual(upTo(4));
});

test("a poke while a page is on its way asks once more, not at the same time", async () => {
  [stored, ended] = [2, true];
  follower.poke();
  follower.poke();
  follower.poke();
  await vi.advanceTimersByTimeAsync(10);

  expect(asked.length).toBe(2);
  expect(taken).toEqual([1, 2]);
});

test("a failure is told and tried again, from where it was", async () => {
  stored = 2;
  follower.poke();
  await vi.advanceTimersByTimeAsync(10);
  broken = true;
  await vi.advanceTimersByTimeAsync(1000);
  expect(state.error).toBeInstanceOf(Error);

  [broken, stored] = [false, 3];
  await vi.advanceTimersByTimeAsync(5000);
  expect(state.error).toBeNull();
  expect(taken).toEqual(upTo(3));
});

test("closed, it asks no more", async () => {
  follower.poke();
  follower.close();
  await vi.advanceTimersByTimeAsync(60_000);

  expect(asked.length).toBe(1);
});
