import { STATUSES } from "../../api/documents.ts";
import { StatusMark } from "../../ui/status-mark.tsx";

/** What the shapes mean. */
export function Legend() {
  return (
    <div class="legend small">
      {STATUSES.map((status) => (
        <StatusMark key={status} status={status} />
      ))}
    </div>
  );
}
