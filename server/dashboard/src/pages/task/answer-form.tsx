import type { Hold } from "../../api/documents.ts";
import { type Answer, api } from "../../api/swarm.ts";
import { oneLine } from "../../text/visible.ts";
import { TextForm } from "./text-form.tsx";
import { useOrder } from "./use-order.ts";

interface AnswerFormProps {
  id: string;
  hold: Hold;
  reload: () => void;
}

const SHOWN_CHARS = 200;

/** The options of a question as buttons, or a field for an answer. */
export function AnswerForm({ id, hold, reload }: AnswerFormProps) {
  const { busy, order } = useOrder(reload, { panelGoes: true });
  const answer = (given: Answer) =>
    order(
      () => api.answer(id, hold.hold_id, given),
      () => `${id} has its answer.`,
    );
  if (hold.options.length === 0) {
    return (
      <TextForm
        label="Answer, for the next attempt"
        act="Answer"
        primary
        busy={busy}
        send={(text) => answer({ text })}
      />
    );
  }
  return (
    <fieldset class="options">
      <legend>Answer</legend>
      {hold.options.map((option, index) => (
        <button
          key={index}
          type="button"
          class="button primary"
          disabled={busy}
          title={oneLine(option, 1000)}
          onClick={() => answer({ option: index + 1 })}
        >
          {oneLine(option, SHOWN_CHARS)}
        </button>
      ))}
    </fieldset>
  );
}
