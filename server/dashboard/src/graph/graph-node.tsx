import { count, percent } from "../text/format.ts";
import { oneLine } from "../text/visible.ts";
import { statusWord } from "../text/words.ts";
import { ShapePaths } from "../ui/shape.tsx";
import type { DrawnNode } from "./collapse.ts";
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
  const label =
    node.kind === "task"
      ? `${node.task.id}, ${node.task.name}: ${statusWord(node.task.status)}`
      : `phase ${titleOf(node)}: ${count(node.total)} tasks`;
  return (
    <g
      class={`gnode ${status === null ? "phase" : `n-${status}`} ${selected ? "selected" : ""} ${faded ? "faded" : ""}`}
      transform={`translate(${place.x - width / 2} ${place.y - height / 2})`}
      data-key={node.key}
      data-status={status ?? undefined}
      tabIndex={0}
      role="button"
      aria-label={oneLine(label)}
      aria-pressed={selected}
    >
      <rect class="gbox" width={width} height={height} rx="7" />
      {node.kind === "task" ? (
        <>
          <g class={`s-${node.task.status}`} transform={`translate(10 ${height / 2 - 7})`}>
            <ShapePaths status={node.task.status} />
          </g>
          {words && (
            <>
              <text class="gid" x="32" y="19">
                {cut(oneLine(node.task.id), 14)}
              </text>
              <text class="gname" x="32" y="36">
                {cut(oneLine(node.task.name), 19)}
              </text>
            </>
          )}
        </>
      ) : (
        <>
          {words && (
            <>
              <text class="gid" x="12" y="22">
                {cut(oneLine(titleOf(node)), 24)}
              </text>
              <text class="gname" x="12" y="41">
                {count(node.total)} tasks, {percent(node.counts.completed ?? 0, node.total)} completed
              </text>
            </>
          )}
          <PhaseBar counts={node.counts} total={node.total} width={width - 24} />
        </>
      )}
    </g>
  );
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
