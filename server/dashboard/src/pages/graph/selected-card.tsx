import { STATUSES } from "../../api/documents.ts";
import type { DrawnNode } from "../../graph/collapse.ts";
import { titleOf } from "../../graph/graph-node.tsx";
import { taskHref, tasksHref } from "../../state/route.ts";
import { count } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { statusWord } from "../../text/words.ts";
import { Shape } from "../../ui/shape.tsx";
import { StatusMark } from "../../ui/status-mark.tsx";

/** What is selected in the graph, and where to go from it. */
export function SelectedCard({ node, open }: { node: DrawnNode | null; open: (node: DrawnNode) => void }) {
  if (node === null) return null;
  if (node.kind === "task") {
    return (
      <aside class="card" aria-label="Selected">
        <p class="mono small dim">{node.task.id}</p>
        <p class="strong">{oneLine(node.task.name)}</p>
        <StatusMark status={node.task.status} />
        <a class="button small" href={taskHref(node.task.id)}>
          Open
        </a>
      </aside>
    );
  }
  return (
    <aside class="card" aria-label="Selected">
      <p class="strong">{oneLine(titleOf(node))}</p>
      <ul class="small">
        {STATUSES.filter((status) => (node.counts[status] ?? 0) > 0).map((status) => (
          <li key={status}>
            <Shape status={status} /> {count(node.counts[status] ?? 0)} {statusWord(status)}
          </li>
        ))}
      </ul>
      <div class="buttons">
        <button type="button" class="button small" onClick={() => open(node)}>
          Open the phase
        </button>
        <a class="button small" href={tasksHref({ phase: node.phase })}>
          Its tasks
        </a>
      </div>
    </aside>
  );
}
