import { oneLine, visible } from "../text/visible.ts";

/** Text of strangers on one line, made harmless, whole in the tooltip. */
export function Line({ text, class: name = "" }: { text: string | null; class?: string }) {
  if (text === null || text === "") return null;
  return (
    <span class={`cut ${name}`} title={oneLine(text, 1000)}>
      {oneLine(text)}
    </span>
  );
}

/** Text of strangers with its line breaks. */
export function Prose({ text, class: name = "" }: { text: string; class?: string }) {
  return <pre class={`prose ${name}`}>{visible(text)}</pre>;
}
