import { expect, test } from "vitest";
import { findTask } from "../../src/graph/find.ts";
import { graphOf } from "../../src/graph/store.ts";

const node = (id: string, name: string, phase: string | null = null) => ({
  id,
  name,
  phase,
  status: "not_started" as const,
});
const graph = graphOf({
  seq: 1,
  nodes: [node("a10", "Ten"), node("a1", "One", "build"), node("b", "The importer")],
  edges: [],
});

test("an id outranks an id that only begins like it", () => {
  expect(findTask(graph, " A1 ")?.id).toBe("a1");
});

test("a part of a name is enough, and nothing means nothing", () => {
  expect(findTask(graph, "import")?.id).toBe("b");
  expect(findTask(graph, "zebra")).toBe(null);
  expect(findTask(graph, "  ")).toBe(null);
});
