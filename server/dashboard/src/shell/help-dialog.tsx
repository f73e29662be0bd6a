import { STATUSES } from "../api/documents.ts";
import { boundKeys } from "../state/keys.ts";
import { attempt } from "../state/notices.ts";
import { logOut } from "../state/session.ts";
import { STATUS_MEANINGS } from "../text/words.ts";
import { Dialog } from "../ui/dialog.tsx";
import { StatusMark } from "../ui/status-mark.tsx";

/** What the statuses mean, the keys that work here and now, and, on a phone, the way out. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Help" onClose={onClose}>
      <h3>Statuses</h3>
      <dl class="meanings">
        {STATUSES.map((status) => (
          <div key={status}>
            <dt>
              <StatusMark status={status} />
            </dt>
            <dd>{STATUS_MEANINGS[status]}</dd>
          </div>
        ))}
      </dl>
      <div class="wide-only">
        <h3>Keys</h3>
        <Keys />
      </div>
      <div class="buttons end">
        <button type="button" class="button phone-only" onClick={() => attempt(logOut)}>
          Log out
        </button>
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Keys() {
  return (
    <table class="keys">
      <tbody>
        {boundKeys().map((binding) => (
          <tr key={binding.keys}>
            <td class="nowrap">
              {binding.keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </td>
            <td>{binding.what}</td>
          </tr>
        ))}
        <tr>
          <td>
            <kbd>Esc</kbd>
          </td>
          <td>Close, or leave the field</td>
        </tr>
      </tbody>
    </table>
  );
}
