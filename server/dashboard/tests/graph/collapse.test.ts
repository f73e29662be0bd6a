import { describe, expect, test } from "vitest";
import type { Status } from "../../src/api/documents.ts";
import { COLLAPSE_ABOVE, drawn, type Graph, type GraphTask } from "../../src/graph/collapse.ts";
import { EMPTY_GRAPH, graphOf, lacks, renewed, withPhase, withStatuses } from "../../src/graph/store.ts";
import { task } from "../made.ts";

function graph(tasks: [string, string, Status?][], edges: [string, string][] = []): Graph {
  const made = tasks.map(([id, phase, status = "not_started"]): [string, GraphTask] => [
    id,
    { id, name: id, phase, status },
  ]);
  return { ...EMPTY_GRAPH, tasks: new Map(made), edges };
}

function many(count: number): Graph {
  const tasks = Array.from({ length: count }, (_, at): [string, string] => [`t${at}`, `p${at % 3}`]);
  const edges = tasks.slice(1).map(([id], at): [string, string] => [`t${at}`, id]);
  return graph(tasks, edges);
}

describe("a small graph", () => {
  test("shows every task and every edge", () => {
    const { nodes, edges } = drawn(
      graph(
        [
          ["a", "p"],
          ["b", "q"],
        ],
        [["a", "b"]],
      ),
      new Set(),
    );

    expect(nodes.map(({ key }) => key)).toEqual(["task a", "task b"]);
    expect(edges).toEqual([{ from: "task a", to: "task b", count: 1 }]);
  });

  test("leaves out edges whose ends are not there", () => {
    expect(
      drawn(
        graph(
          [["a", "p"]],
          [
            ["a", "gone"],
            ["gone", "a"],
          ],
        ),
        new Set(),
      ).edges,
    ).toEqual([]);
  });
});

describe("a large graph", () => {
  const large = many(COLLAPSE_ABOVE + 2);

  test("shows one node for each phase, with edges counted between them", () => {
    const { nodes, edges } = drawn(large, new Set());

    expect(nodes.map(({ key }) => key)).toEqual(["phase p0", "phase p1", "phase p2"]);
    expect(nodes.reduce((sum, node) => sum + (node.kind === "phase" ? node.total : 0), 0)).toBe(
      COLLAPSE_ABOVE + 2,
    );
    expect(edges.reduce((sum, edge) => sum + edge.count, 0)).toBe(COLLAPSE_ABOVE + 1);
    expect(edges.some((edge) => edge.from === edge.to)).toBe(false);
  });

  test("shows the tasks of a phase that is open", () => {
    const { nodes } = drawn(large, new Set(["p1"]));
    const tasks = nodes.filter((node) => node.kind === "task");

    expect(tasks.length).toBe(Math.floor((COLLAPSE_ABOVE + 2 + 1) / 3));
    expect(nodes.length - tasks.length).toBe(2);
  });

  test("counts the statuses of a closed phase as they are now", () => {
    const moved = withStatuses(large, [task("t0", "completed")]);

    const phase = drawn(moved, new Set()).nodes.find(({ key }) => key === "phase p0");

    expect(phase?.kind === "phase" && phase.counts.completed).toBe(1);
  });
});

describe("a graph that the server has collapsed", () => {
  const answer = graphOf({
    seq: 1,
    phases: [
      { phase: "build", counts: { completed: 3000 } },
      { phase: null, counts: { blocked: 2500 } },
    ],
    edges: [["build", null, 17]],
  });

  test("shows its phases and their edges", () => {
    const { nodes, edges } = drawn(answer, new Set());

    expect(nodes.map((node) => node.kind === "phase" && node.total)).toEqual([3000, 2500]);
    expect(edges).toEqual([{ from: "phase build", to: "phase ", count: 17 }]);
  });

  test("shows the tasks of a phase once they are loaded", () => {
    const nodes = [
      { id: "a", name: "a", phase: "build", status: "completed" as const },
      { id: "b", name: "b", phase: "build", status: "completed" as const },
    ];
    const loaded = withPhase(answer, { seq: 1, nodes, edges: [["a", "b"]] });

    const { nodes: shown, edges } = drawn(loaded, new Set(["build"]));

    expect(shown.map(({ key }) => key)).toEqual(["task a", "task b", "phase "]);
    expect(edges).toEqual([{ from: "task a", to: "task b", count: 1 }]);
  });

  test("keeps the tasks of its open phases when it is told anew", () => {
    const nodes = [{ id: "a", name: "a", phase: "build", status: "completed" as const }];
    const loaded = withPhase(answer, { seq: 1, nodes, edges: [] });

    const again = renewed(loaded, { seq: 2, phases: [{ phase: "build", counts: { failed: 1 } }], edges: [] });

    expect(drawn(again, new Set(["build"])).nodes.map(({ key }) => key)).toEqual(["task a"]);
    expect(renewed(null, { seq: 2, nodes, edges: [] }).tasks.size).toBe(1);
  });

  test("keeps an open phase closed until its tasks are there", () => {
    expect(drawn(answer, new Set(["build"])).nodes.length).toBe(2);
  });
});

test("a change that is none leaves the same graph, so that nothing is drawn anew", () => {
  const small = graph([["a", "p", "completed"]]);

  expect(withStatuses(small, [task("a", "completed"), task("other", "failed")])).toBe(small);
});

test("a task that is not in the graph tells that it must be loaded anew", () => {
  const small = graph([["a", "p"]]);

  expect(lacks(small, [task("a")])).toBe(false);
  expect(lacks(small, [task("b")])).toBe(true);
});
