import { describe, expect, test } from "vitest";
import { centred, fitted, inView, LARGEST, panned, SMALLEST, zoomed } from "../../src/graph/viewport.ts";

const WINDOW = { width: 800, height: 600 };
const shown = (view: { x: number; y: number; scale: number }, x: number, y: number) => [
  x * view.scale + view.x,
  y * view.scale + view.y,
];

describe("zoom", () => {
  test("keeps the point under the pointer where it is", () => {
    const before = { x: 30, y: -20, scale: 0.7 };
    const point = [(200 - before.x) / before.scale, (150 - before.y) / before.scale] as const;

    const [x = 0, y = 0] = shown(zoomed(before, 1.4, 200, 150), ...point);

    expect(x).toBeCloseTo(200);
    expect(y).toBeCloseTo(150);
  });

  test("has its limits", () => {
    expect(zoomed({ x: 0, y: 0, scale: 1 }, 1e9, 0, 0).scale).toBe(LARGEST);
    expect(zoomed({ x: 0, y: 0, scale: 1 }, 1e-9, 0, 0).scale).toBe(SMALLEST);
  });
});

describe("fitting", () => {
  test("shows the whole drawing", () => {
    const view = fitted({ width: 4000, height: 1000 }, WINDOW);

    expect(shown(view, 0, 0).every((at) => at >= 0)).toBe(true);
    expect(shown(view, 4000, 1000)[0]).toBeLessThanOrEqual(WINDOW.width);
  });

  test("makes nothing larger than life", () => {
    expect(fitted({ width: 10, height: 10 }, WINDOW).scale).toBe(1);
  });

  test("begins at the beginning where the least scale is too large for all", () => {
    const view = fitted({ width: 40_000, height: 100 }, WINDOW, 0.5);

    expect(view.scale).toBe(0.5);
    expect(view.x).toBe(20);
  });

  test("of nothing is no scale of zero", () => {
    expect(fitted({ width: 0, height: 0 }, WINDOW).scale).toBe(1);
  });
});

test("a point is brought to the middle", () => {
  expect(shown(centred({ x: 0, y: 0, scale: 2 }, 50, 60, WINDOW), 50, 60)).toEqual([400, 300]);
});

test("only what is in the window or near it is drawn", () => {
  const view = panned({ x: 0, y: 0, scale: 1 }, -1000, 0);

  expect(inView(view, WINDOW, { x: 1100, y: 100, width: 50, height: 50 })).toBe(true);
  expect(inView(view, WINDOW, { x: 100, y: 100, width: 50, height: 50 })).toBe(false);
  expect(inView(view, WINDOW, { x: 5000, y: 100, width: 50, height: 50 })).toBe(false);
});
