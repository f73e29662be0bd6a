import type { Attempt, Landing } from "../api/documents.ts";
import { visible } from "../text/visible.ts";
import { plain } from "../text/words.ts";
import { CopyButton } from "../ui/copy-button.tsx";
import { commitShort } from "./words.ts";

/** How the work of an attempt came onto the target, or why it did not. */
export function LandingView({ attempt }: { attempt: Attempt }) {
  if (attempt.landing !== null) return <Landed landing={attempt.landing} />;
  if (attempt.failure_class?.startsWith("landing_")) return <Refused attempt={attempt} />;
  return <p class="dim">This attempt did not land.</p>;
}

function Landed({ landing }: { landing: Landing }) {
  const { target, commit, onto, found } = landing;
  return (
    <p data-landed={commit}>
      <span class="s-completed">✓ {found ? "Found" : onto === commit ? "Nothing to land" : "Landed"}</span> on{" "}
      <code>{visible(target)}</code> as <code title={commit}>{commitShort(commit)}</code>
      {onto !== null && onto !== commit && (
        <>
          {" "}
          after <code title={onto}>{commitShort(onto)}</code>
        </>
      )}
      {found && ": an earlier attempt had landed it"}{" "}
      <CopyButton text={commit} what="the commit of the landing" />
    </p>
  );
}

function Refused({ attempt }: { attempt: Attempt }) {
  return (
    <div data-refused={attempt.failure_class}>
      <p>
        <span class="s-failed">✕ {plain(attempt.failure_class)}</span>
        {attempt.error !== null && `: ${visible(attempt.error)}`}
      </p>
      {attempt.findings.length > 0 && (
        <ul class="findings small">
          {attempt.findings.map((finding, index) => (
            <li key={index} class="finding">
              {finding.file !== null && <code>{visible(finding.file)}: </code>}
              {visible(finding.issue)}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
