import type { LogLine, Session } from "../api/documents.ts";
import { api } from "../api/swarm.ts";
import { useLoad } from "../state/load.ts";
import { CopyButton } from "../ui/copy-button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Empty, Failure, Loading } from "../ui/states.tsx";
import { Prose } from "../ui/text.tsx";

interface PromptDialogProps {
  task: string;
  attempt: number;
  session: Session;
  onClose: () => void;
}

// A prompt has 33 pieces at most, a session a few prompts.
const PIECES = 5000;

/** What a session was told, with the further turns that it was asked for. */
export function PromptDialog({ task, attempt, session, onClose }: PromptDialogProps) {
  const { session_id, role } = session;
  const { value, error, reload } = useLoad(`${session_id} prompt`, (signal) =>
    api.log(task, { role, attempt, kind: "prompt", limit: PIECES }, signal),
  );
  const prompt = value === null ? "" : promptOf(value.entries, session_id);
  return (
    <Dialog title={`Prompt of the ${role}, attempt ${attempt}`} onClose={onClose} wide>
      {value === null && error === null && <Loading what="the prompt" />}
      {error !== null && <Failure error={error} retry={reload} />}
      {value !== null && prompt === "" && (
        <Empty title="No prompt is stored.">An older worker ran this session, or it has not begun yet.</Empty>
      )}
      {prompt !== "" && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
        <section class="prompt" aria-label="Prompt" tabIndex={0}>
          <Prose text={prompt} />
        </section>
      )}
      <div class="buttons end">
        {prompt !== "" && <CopyButton text={prompt} what="the prompt" />}
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

/** The pieces joined; the log has a line between two prompts of a session. Exported for tests. */
export function promptOf(entries: readonly LogLine[], sessionId: string): string {
  const pieces = entries.filter((entry) => entry.session_id === sessionId);
  return pieces
    .map(({ text, number }, at) => {
      const before = pieces[at - 1];
      return before !== undefined && before.number + 1 !== number ? `\n———\n\n${text}` : text;
    })
    .join("");
}
