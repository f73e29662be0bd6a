// Where the nodes stand: in layers, each after what it depends on, by dagre.
import { layout as dagre, graphlib } from "@dagrejs/dagre";

export interface Size {
  readonly key: string;
  readonly width: number;
  readonly height: number;
}

export interface Placed extends Size {
  /** The middle. */
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  readonly nodes: readonly Placed[];
  readonly edges: readonly { from: string; to: string; points: readonly { x: number; y: number }[] }[];
  readonly width: number;
  readonly height: number;
}

export interface LayoutRequest {
  readonly nodes: readonly Size[];
  readonly edges: readonly { from: string; to: string }[];
  /** Where it will be shown: the direction is the one that fits it better. */
  readonly room: { readonly width: number; readonly height: number };
}

// Above this a second layout, only to compare, would take too long.
const COMPARE_UP_TO = 450;
// Above this dagre's best ranker takes seconds; the plain one is nearly as good.
const SIMPLE_ABOVE = 1500;

export function layOut(request: LayoutRequest): Layout {
  const right = laid(request, "LR");
  if (request.nodes.length > COMPARE_UP_TO) return right;
  const down = laid(request, "TB");
  return scaleIn(request.room, down) > scaleIn(request.room, right) ? down : right;
}

function scaleIn(room: LayoutRequest["room"], layout: Layout): number {
  return Math.min(room.width / Math.max(1, layout.width), room.height / Math.max(1, layout.height));
}

function laid({ nodes, edges }: LayoutRequest, rankdir: "LR" | "TB"): Layout {
  const graph = new graphlib.Graph();
  const ranker = nodes.length + edges.length > SIMPLE_ABOVE ? "longest-path" : "network-simplex";
  graph.setGraph({
    rankdir,
    nodesep: 10,
    ranksep: 40,
    edgesep: 6,
    marginx: 16,
    marginy: 16,
    ranker,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { key, width, height } of nodes) graph.setNode(key, { width, height });
  for (const { from, to } of edges) graph.setEdge(from, to);
  dagre(graph);
  const label = graph.graph();
  return {
    nodes: nodes.map((node) => {
      const { x, y } = graph.node(node.key) as { x: number; y: number };
      return { ...node, x, y };
    }),
    edges: edges.map(({ from, to }) => {
      const { points } = graph.edge(from, to) as { points: { x: number; y: number }[] };
      return { from, to, points };
    }),
    width: Number(label?.width ?? 0) || 0,
    height: Number(label?.height ?? 0) || 0,
  };
}
