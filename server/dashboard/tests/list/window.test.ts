import { describe, expect, test } from "vitest";
import { atEnd, rowsInView, scrollToRow } from "../../src/list/window.ts";

describe("the rows in view", () => {
  test("are those that the window shows, and some more", () => {
    expect(rowsInView(0, 100, 10, 1000, 2)).toEqual({ first: 0, end: 12 });
    expect(rowsInView(500, 100, 10, 1000, 2)).toEqual({ first: 48, end: 62 });
  });

  test("end with the list", () => {
    expect(rowsInView(9950, 100, 10, 1000, 2)).toEqual({ first: 993, end: 1000 });
  });

  test("are none of an empty list", () => {
    expect(rowsInView(0, 100, 10, 0)).toEqual({ first: 0, end: 0 });
  });

  test("stay in the list when it has become shorter than the scroll", () => {
    const { first, end } = rowsInView(90_000, 100, 10, 20, 2);

    expect(first).toBeLessThan(20);
    expect(end).toBe(20);
  });

  test("are few, however long the list is", () => {
    for (let at = 0; at < 100; at++) {
      const { first, end } = rowsInView(at * 17_777, 700, 18, 100_000);
      expect(end - first).toBeLessThan(70);
      expect(first * 18).toBeLessThanOrEqual(at * 17_777);
      expect(end * 18).toBeGreaterThanOrEqual(Math.min(at * 17_777 + 700, 100_000 * 18));
    }
  });
});

test("scrolling to a row moves no further than needed", () => {
  expect(scrollToRow(5, 0, 100, 10)).toBe(0);
  expect(scrollToRow(20, 0, 100, 10)).toBe(110);
  expect(scrollToRow(3, 200, 100, 10)).toBe(30);
});

test("the end counts as in view a little before it", () => {
  expect(atEnd(900, 100, 1000)).toBe(true);
  expect(atEnd(880, 100, 1000)).toBe(true);
  expect(atEnd(700, 100, 1000)).toBe(false);
});
