import { expect, test } from "vitest";
import { layOut } from "../../src/graph/layout.ts";
import { related } from "../../src/graph/neighbours.ts";
import { pathThrough } from "../../src/graph/path.ts";

const SIZE = { width: 100, height: 40 };
const WIDE = { width: 4000, height: 300 };
const TALL = { width: 300, height: 4000 };

test("what depends on something stands to its right, and nothing lies on anything else", () => {
  const keys = ["a", "b", "c", "d"];
  const edges = [
    { from: "a", to: "b" },
    { from: "a", to: "c" },
    { from: "b", to: "d" },
    { from: "c", to: "d" },
  ];

  const { nodes, width, height } = layOut({
    nodes: keys.map((key) => ({ key, ...SIZE })),
    edges,
    room: WIDE,
  });

  const at = new Map(nodes.map((node) => [node.key, node]));
  for (const { from, to } of edges) expect(at.get(from)?.x).toBeLessThan(at.get(to)?.x ?? 0);
  for (const one of nodes) {
    for (const other of nodes.filter(({ key }) => key > one.key)) {
      expect(Math.abs(one.x - other.x) >= SIZE.width || Math.abs(one.y - other.y) >= SIZE.height).toBe(true);
    }
  }
  expect(width * height).toBeGreaterThan(0);
});

test("a graph without edges, and one with none of anything, have a layout too", () => {
  expect(layOut({ nodes: [{ key: "a", ...SIZE }], edges: [], room: WIDE }).nodes.length).toBe(1);
  expect(layOut({ nodes: [], edges: [], room: WIDE }).nodes).toEqual([]);
});

test("a path goes from the first point to the last", () => {
  expect(pathThrough([])).toBe("");
  expect(
    pathThrough([
      { x: 0, y: 0 },
      { x: 10, y: 5 },
    ]),
  ).toBe("M0 0L10 5");
  expect(
    pathThrough([
      { x: 0, y: 0 },
      { x: 5, y: 0 },
      { x: 10, y: 5 },
    ]),
  ).toBe("M0 0Q5 0 10 5");
});

test("related to a node is all before it and all after it, not what stands beside it", () => {
  const edges = [
    { from: "a", to: "b", count: 1 },
    { from: "b", to: "c", count: 1 },
    { from: "a", to: "side", count: 1 },
  ];

  expect([...related("b", edges)].sort()).toEqual(["a", "b", "c"]);
});

test("the direction is the one that fits the room", () => {
  const nodes = Array.from({ length: 10 }, (_, at) => ({ key: `n${at}`, ...SIZE }));
  const edges = nodes.slice(1).map(({ key }, at) => ({ from: `n${at}`, to: key }));

  const [wide, tall] = [layOut({ nodes, edges, room: WIDE }), layOut({ nodes, edges, room: TALL })];

  expect(wide.width).toBeGreaterThan(wide.height);
  expect(tall.height).toBeGreaterThan(tall.width);
});
