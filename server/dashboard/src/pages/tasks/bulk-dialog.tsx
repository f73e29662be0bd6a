import { useState } from "preact/hooks";
import { api, type Bulk, type Selection } from "../../api/swarm.ts";
import { useLoad } from "../../state/load.ts";
import { attempt } from "../../state/notices.ts";
import { count, plural } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { CauseField } from "../../ui/cause-field.tsx";
import { OrderDialog } from "../../ui/order-dialog.tsx";
import { Failure } from "../../ui/states.tsx";

interface BulkDialogProps {
  verb: "retry" | "kill";
  selection: Selection;
  onClose: () => void;
  done: () => void;
}

const TITLES = { retry: "Retry tasks", kill: "Kill tasks" };
const ACTS = { retry: "Retry", kill: "Kill" };
const DONE = { retry: "retried", kill: "told to end" };

/** Says first how many tasks it would be, then does it. */
export function BulkDialog({ verb, selection, onClose, done }: BulkDialogProps) {
  const preview = useLoad("preview", () => api.bulk(verb, selection, true));
  const [cause, setCause] = useState("");
  const run = async () => {
    const went = await attempt(
      () => api.bulk(verb, selection, false, cause.trim()),
      ({ done: times, refused }) =>
        `${plural(times, "task")} ${DONE[verb]}${refused.length > 0 ? `; ${count(refused.length)} refused` : ""}.`,
    );
    if (went) done();
    return went;
  };
  const able = preview.value?.done ?? 0;
  return (
    <OrderDialog
      title={TITLES[verb]}
      act={`${ACTS[verb]} ${plural(able, "task")}`}
      acting="Working…"
      danger={verb === "kill"}
      ready={able > 0}
      order={run}
      onClose={onClose}
    >
      {preview.error !== null ? <Failure error={preview.error} retry={preview.reload} /> : null}
      {preview.value === null ? (
        <p class="dim">Counting…</p>
      ) : (
        <Preview verb={verb} preview={preview.value} />
      )}
      {verb === "kill" && <CauseField value={cause} onInput={setCause} />}
    </OrderDialog>
  );
}

function Preview({ verb, preview }: { verb: "retry" | "kill"; preview: Bulk }) {
  // Of many refusals only some are told; the numbers tell of all.
  const able = preview.done;
  const refused = Math.max(preview.matched - able, preview.refused.length);
  const reasons = new Map<string, number>();
  for (const { message } of preview.refused) reasons.set(message, (reasons.get(message) ?? 0) + 1);
  return (
    <div data-preview={able}>
      <p>
        <strong>{plural(able, "task")}</strong>
        {verb === "kill"
          ? " will end, and stay killed until someone retries them."
          : " will get a new start, with fresh retries."}
      </p>
      {refused > 0 && (
        <details class="small dim">
          <summary>{plural(refused, "task")} can't be, and will stay as they are</summary>
          <ul>
            {[...reasons].slice(0, 8).map(([message, times]) => (
              <li key={message}>
                {times > 1 ? `${times} × ` : ""}
                {oneLine(message)}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
