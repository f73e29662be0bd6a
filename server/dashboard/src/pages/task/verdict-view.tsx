import type { Attempt, Finding, FindingAnswer, Verdict } from "../../api/documents.ts";
import { visible } from "../../text/visible.ts";
import { plain } from "../../text/words.ts";
import { answersTo, answerTo, cameBack } from "./course.ts";

interface VerdictViewProps {
  attempt: Attempt;
  verdict: Verdict;
  attempts: readonly Attempt[];
}

/** What the validator decided, each finding with what the next builder said to it. */
export function VerdictView({ attempt, verdict, attempts }: VerdictViewProps) {
  const answers = answersTo(attempt, attempts);
  const passed = verdict.verdict === "PASS";
  return (
    <div class="verdict">
      <h3>
        {attempt.failure_class?.startsWith("landing_") ? "The landing" : "The validator"}:{" "}
        <span class={passed ? "s-completed" : "s-failed"}>{passed ? "✓ PASS" : "✕ FAIL"}</span>
        {verdict.confidence !== null && ` · confidence ${Math.round(100 * verdict.confidence)} %`}
        {verdict.test_quality_score !== null && ` · tests ${verdict.test_quality_score} of 10`}
      </h3>
      {verdict.summary !== null && <p class="small">{visible(verdict.summary)}</p>}
      {attempt.findings.length > 0 && (
        <ol class="findings">
          {attempt.findings.map((finding, index) => (
            <FindingView key={index} finding={finding} back={cameBack(finding, attempt)} answers={answers} />
          ))}
        </ol>
      )}
      {verdict.recommendations.length > 0 && (
        <ul class="bullets small dim">
          {verdict.recommendations.map((text) => (
            <li key={text}>{visible(text)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface FindingViewProps {
  finding: Finding;
  back: boolean;
  answers: readonly FindingAnswer[] | null;
}

function FindingView({ finding, back, answers }: FindingViewProps) {
  const answer = answers === null ? null : answerTo(finding, answers);
  return (
    <li class="finding" data-finding={finding.finding_id ?? ""}>
      <span class="severity">{visible(finding.severity ?? "finding")}</span>{" "}
      {finding.finding_id !== null && <span class="mono dim small">{finding.finding_id} </span>}
      {back && <span class="warn small">came back </span>}
      {finding.file !== null && <code>{visible(finding.file)}: </code>}
      {visible(finding.issue)}
      {answers !== null && (
        <div class="answer dim small">
          ↳{" "}
          {answer === null
            ? "the next builder said nothing to it"
            : `${plain(answer.kind) || "answered"}${answer.why ? `: ${visible(answer.why)}` : ""}`}
        </div>
      )}
    </li>
  );
}
