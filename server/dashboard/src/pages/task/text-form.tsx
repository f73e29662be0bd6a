import { useState } from "preact/hooks";

interface TextFormProps {
  label: string;
  act: string;
  primary?: boolean;
  busy: boolean;
  /** Sends the text; true if that went well. What was refused stays in the field. */
  send: (text: string) => Promise<boolean>;
}

// The server counts code points, of which there are never more.
const LIMIT = 16_000;

/** A field for several lines, and its button. */
export function TextForm({ label, act, primary = false, busy, send }: TextFormProps) {
  const [text, setText] = useState("");
  const said = text.trim() !== "";
  const submit = async (event: Event) => {
    event.preventDefault();
    if (said && !busy && (await send(text))) setText("");
  };
  return (
    <form class="text-form" onSubmit={submit}>
      <label class="labelled">
        {label}
        <textarea
          class="field"
          rows={3}
          maxLength={LIMIT}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class={primary ? "button primary" : "button"} disabled={!said || busy}>
        {act}
      </button>
    </form>
  );
}
