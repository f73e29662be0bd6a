import type { Status } from "../api/documents.ts";
import { statusWord } from "../text/words.ts";
import { Shape } from "./shape.tsx";

/** A status as shape, colour and word. */
export function StatusMark({ status }: { status: Status }) {
  return (
    <span class={`status s-${status}`}>
      <Shape status={status} />
      {statusWord(status)}
    </span>
  );
}
