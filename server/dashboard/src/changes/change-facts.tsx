import type { Attempt, Change } from "../api/documents.ts";
import { visible } from "../text/visible.ts";
import { CopyButton } from "../ui/copy-button.tsx";
import { LandingView } from "./landing-view.tsx";
import { commitShort } from "./words.ts";

/** How the work landed, where it is kept, and what git left out. */
export function ChangeFacts({ attempt, change }: { attempt: Attempt; change: Change }) {
  return (
    <div class="change-facts">
      <LandingView attempt={attempt} />
      <dl class="change-refs small">
        <Ref name="Kept as" text={change.ref ?? change.head} what="the ref" shown={change.ref} />
        <Ref name="Head" text={change.head} what="the commit" />
        <Ref name="Base" text={change.base} what="the base" />
      </dl>
      {change.ignored.length > 0 && (
        <details class="small">
          <summary>New files that git ignores, which are not part of the work</summary>
          <ul class="bullets mono">
            {change.ignored.map((path) => (
              <li key={path}>{visible(path)}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

interface RefProps {
  name: string;
  text: string;
  what: string;
  /** What is shown instead of the short commit; null if there is nothing to show. */
  shown?: string | null;
}

function Ref({ name, text, what, shown = commitShort(text) }: RefProps) {
  if (shown === null) return null;
  return (
    <div>
      <dt class="dim">{name}</dt>
      <dd>
        <code title={visible(text)}>{visible(shown)}</code> <CopyButton text={text} what={what} />
      </dd>
    </div>
  );
}
