// What a page shows instead of its content: nothing there, not there yet, not to be had.
import type { ComponentChildren } from "preact";
import { sentence } from "../state/notices.ts";

interface EmptyProps {
  title: string;
  /** Whether it stands for the whole page. */
  heading?: boolean;
  children?: ComponentChildren;
}

export function Empty({ title, heading = false, children }: EmptyProps) {
  return (
    <div class="state">
      {heading ? <h1>{title}</h1> : <p class="strong">{title}</p>}
      {children !== undefined && <p class="dim">{children}</p>}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="state" role="status">
      <p class="dim">Loading {what}…</p>
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div class="state" role="alert">
      <p class="strong bad">{sentence(error)}</p>
      {retry !== undefined && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
