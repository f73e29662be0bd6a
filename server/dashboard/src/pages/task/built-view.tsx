import type { BuilderResult } from "../../api/documents.ts";
import { visible } from "../../text/visible.ts";
import { Prose } from "../../ui/text.tsx";

/** What the builder says of its own work; never evidence. */
export function BuiltView({ result }: { result: BuilderResult }) {
  const tests = [
    result.tests_written === null ? "" : result.tests_written ? "wrote tests" : "wrote no tests",
    result.tests_passed === null ? "" : result.tests_passed ? "says that they pass" : "says that they fail",
  ].filter((part) => part !== "");
  return (
    <div class="built">
      <h3>The builder says{result.status === null ? "" : `: ${visible(result.status)}`}</h3>
      {tests.length > 0 && <p class="small">{tests.join(", ")}</p>}
      <Paths name="Created" paths={result.files_created} />
      <Paths name="Changed" paths={result.files_modified} />
      <Paths name="Kept it from finishing" paths={result.blockers} />
      {result.questions.map((question, index) => (
        <Prose key={index} class="small" text={`Asks: ${question.text}`} />
      ))}
      {result.implementation_notes !== null && <Prose class="small" text={result.implementation_notes} />}
    </div>
  );
}

function Paths({ name, paths }: { name: string; paths: readonly string[] }) {
  if (paths.length === 0) return null;
  return (
    <p class="small">
      <span class="dim">{name}:</span> <span class="mono">{paths.map(visible).join(", ")}</span>
    </p>
  );
}
