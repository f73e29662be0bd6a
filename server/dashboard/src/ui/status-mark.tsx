import type { Status } from "../api/documents.ts";
import { statusWord } from "../text/words.ts";
import { Shape } from "./shape.tsx";

/** A status as shape, colour and word; with a badge if no model did the work. */
export function StatusMark({ status, rehearsed = false }: { status: Status; rehearsed?: boolean }) {
  return (
    <>
      <span class={`status s-${status}`}>
        <Shape status={status} />
        {statusWord(status)}
      </span>
      {rehearsed && (
        <span class="badge" title="No model did this work: the embedded runner played it">
          rehearsed
        </span>
      )}
    </>
  );
}
