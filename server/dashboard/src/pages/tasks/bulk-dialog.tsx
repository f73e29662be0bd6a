import { useState } from "preact/hooks";
import { api, type Bulk, type Selection } from "../../api/swarm.ts";
import { useLoad } from "../../state/load.ts";
import { attempt } from "../../state/notices.ts";
import { count, plural } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { Failure } from "../../ui/states.tsx";

interface BulkDialogProps {
  verb: "retry" | "kill";
  selection: Selection;
  onClose: () => void;
  done: () => void;
}

const TITLES = { retry: "Retry tasks", kill: "Kill tasks" };
const DONE = { retry: "retried", kill: "told to end" };

/** Says first how many tasks it would be, then does it. */
export function BulkDialog({ verb, selection, onClose, done }: BulkDialogProps) {
  const preview = useLoad("preview", () => api.bulk(verb, selection, true));
  const [cause, setCause] = useState("");
  const [busy, setBusy] = useState(false);
  const run = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const went = await attempt(
      () => api.bulk(verb, selection, false, cause.trim()),
      ({ done: times, refused }) =>
        `${plural(times, "task")} ${DONE[verb]}${refused.length > 0 ? `; ${count(refused.length)} refused` : ""}.`,
    );
    setBusy(false);
    if (went) done();
    onClose();
  };
  const able = preview.value === null ? 0 : preview.value.matched - preview.value.refused.length;
  return (
    <Dialog title={TITLES[verb]} onClose={onClose} danger={verb === "kill"}>
      <form onSubmit={run}>
        {preview.error !== null ? <Failure error={preview.error} retry={preview.reload} /> : null}
        {preview.value === null ? (
          <p class="dim">Counting…</p>
        ) : (
          <Preview verb={verb} preview={preview.value} />
        )}
        {verb === "kill" && (
          <label class="labelled">
            Cause, for whoever looks later
            <input
              class="field"
              name="cause"
              value={cause}
              maxLength={500}
              onInput={(event) => setCause(event.currentTarget.value)}
            />
          </label>
        )}
        <div class="buttons end">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class={`button ${verb === "kill" ? "danger solid" : "primary"}`}
            disabled={busy || able === 0}
          >
            {verb === "kill" ? "Kill" : "Retry"} {plural(able, "task")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Preview({ verb, preview }: { verb: "retry" | "kill"; preview: Bulk }) {
  const able = preview.matched - preview.refused.length;
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
      {preview.refused.length > 0 && (
        <details class="small dim">
          <summary>{plural(preview.refused.length, "task")} can't be, and will stay as they are</summary>
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
