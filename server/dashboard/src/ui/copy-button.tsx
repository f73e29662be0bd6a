import { attempt } from "../state/notices.ts";

/** Copies a text; `what` is what the note and the label call it. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const copy = () =>
    attempt(
      () => navigator.clipboard.writeText(text),
      () => `Copied ${what}.`,
    );
  return (
    <button type="button" class="button small copy" aria-label={`Copy ${what}`} onClick={copy}>
      Copy
    </button>
  );
}
