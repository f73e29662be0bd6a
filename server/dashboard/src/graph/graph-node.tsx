import { middle, percent, plural } from "../text/format.ts";
import { oneLine } from "../text/visible.ts";
import { statusWord } from "../text/words.ts";
import { ShapePaths } from "../ui/shape.tsx";
import type { DrawnNode } from "./collapse.ts";
import { ends, fitted } from "./label-width.ts";
import type { Placed } from "./layout.ts";
import { PhaseBar } from "./phase-bar.tsx";

export const TASK_SIZE = { width: 158, height: 46 };
export const PHASE_SIZE = { width: 214, height: 70 };

interface GraphNodeProps {
  node: DrawnNode;
  place: Placed;
  /** Words are left out where nobody could read them. */
  words: boolean;
  selected: boolean;
  faded: boolean;
}

export function titleOf(node: DrawnNode): string {
  return node.kind === "task" ? node.task.id : node.phase === "" ? "(no phase)" : node.phase;
}

/** A task or a phase of the graph. */
export function GraphNode({ node, place, words, selected, faded }: GraphNodeProps) {
  const { width, height } = place;
  const status = node.kind === "task" ? node.task.status : null;
  const [title, detail] = wordsOf(node);
  return (
    <g
      class={`gnode ${status === null ? "phase" : `n-${status}`} ${selected ? "selected" : ""} ${faded ? "faded" : ""}`}
      transform={`translate(${place.x - width / 2} ${place.y - height / 2})`}
      data-key={node.key}
      data-status={status ?? undefined}
      tabindex={0}
      role="button"
      aria-pressed={selected}
    >
      <rect class="gbox" width={width} height={height} rx="7" />
      <title>{labelOf(node)}</title>
      {node.kind === "task" ? (
        <g class={`s-${node.task.status}`} transform={`translate(10 ${height / 2 - 7})`}>
          <ShapePaths status={node.task.status} />
        </g>
      ) : (
        <PhaseBar counts={node.counts} total={node.total} width={width - 24} />
      )}
      {words && (
        <>
          <text class="gid" x={textX(node)} y={node.kind === "task" ? 19 : 22}>
            {title}
          </text>
          <text class="gname" x={textX(node)} y={node.kind === "task" ? 36 : 41}>
            {detail}
          </text>
        </>
      )}
    </g>
  );
}

const textX = (node: DrawnNode) => (node.kind === "task" ? 32 : 12);

/** The two lines in the box, cut to its width: ids in the middle, since they differ at both ends. */
function wordsOf(node: DrawnNode): [string, string] {
  const room = (node.kind === "task" ? TASK_SIZE.width : PHASE_SIZE.width) - textX(node) - 8;
  const title = fitted(oneLine(titleOf(node)), room, "id", middle);
  if (node.kind === "task") return [title, fitted(oneLine(node.task.name), room, "name", ends)];
  const done = percent(node.counts.completed ?? 0, node.total);
  return [title, fitted(`${plural(node.total, "task")}, ${done} completed`, room, "name", ends)];
}

function labelOf(node: DrawnNode): string {
  return oneLine(
    node.kind === "task"
      ? `${node.task.id}, ${node.task.name}: ${statusWord(node.task.status)}`
      : `phase ${titleOf(node)}: ${plural(node.total, "task")}`,
  );
}
