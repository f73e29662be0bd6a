import { useState } from "preact/hooks";
import type { Selection } from "../../api/swarm.ts";
import { plural } from "../../text/format.ts";
import { BulkDialog } from "./bulk-dialog.tsx";
import { isFiltered, type TaskQuery } from "./query.ts";
import type { TickedRows } from "./selection.ts";

interface BulkBarProps {
  query: TaskQuery;
  total: number;
  ticked: TickedRows;
  done: () => void;
}

/** Retry and kill for what is ticked, else for all that the filter finds. */
export function BulkBar({ query, total, ticked, done }: BulkBarProps) {
  const [verb, setVerb] = useState<"retry" | "kill" | null>(null);
  const ids = [...ticked.ids.value];
  if (ids.length === 0 && !isFiltered(query)) return null;
  const selection: Selection = ids.length > 0 ? { ids } : { filter: filterOf(query) };
  const what = ids.length > 0 ? `${plural(ids.length, "ticked task")}` : `all ${plural(total, "task")} found`;
  return (
    <div class="bulk buttons">
      <button type="button" class="button small" disabled={total === 0} onClick={() => setVerb("retry")}>
        Retry {what}…
      </button>
      <button
        type="button"
        class="button small danger"
        disabled={total === 0}
        onClick={() => setVerb("kill")}
      >
        Kill {what}…
      </button>
      {ids.length > 0 && (
        <button type="button" class="button small plain" onClick={() => ticked.clear()}>
          Untick
        </button>
      )}
      {verb !== null && (
        <BulkDialog
          verb={verb}
          selection={selection}
          onClose={() => setVerb(null)}
          done={() => {
            ticked.clear();
            done();
          }}
        />
      )}
    </div>
  );
}

function filterOf({ status, phase, q }: TaskQuery) {
  return { ...(status.length ? { status } : {}), ...(phase ? { phase } : {}), ...(q ? { q } : {}) };
}
