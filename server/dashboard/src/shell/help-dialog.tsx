import { boundKeys } from "../state/keys.ts";
import { Dialog } from "../ui/dialog.tsx";

/** The keys that work here and now. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
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
      <div class="buttons end">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
