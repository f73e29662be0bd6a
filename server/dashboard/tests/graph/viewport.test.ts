import { describe, expect, test } from "vitest";
import {
  centred,
  fitted,
  inView,
  LARGEST,
  opened,
  panned,
  SMALLEST,
  zoomed,
} from "../../src/graph/viewport.ts";

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

  test("that could not be read opens around the focus instead, with no blank where there is something to show", () => {
    const long = { width: 40_000, height: 100 };

    const start = opened(long, WINDOW, 0.5, { x: 0, y: 50 });
    const middle = opened(long, WINDOW, 0.5, { x: 20_000, y: 50 });
    const end = opened(long, WINDOW, 0.5, { x: 40_000, y: 50 });

    expect([start.scale, start.x]).toEqual([0.5, 20]);
    expect(shown(middle, 20_000, 50)).toEqual([400, 300]);
    expect(shown(end, 40_000, 50)[0]).toBe(780);
    expect(opened({ width: 10, height: 10 }, WINDOW, 0.5, { x: 0, y: 0 }).scale).toBe(1);
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
