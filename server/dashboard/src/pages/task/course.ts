// The course of the findings: what each validator found, and what the next builder said to it.
import type { Attempt, Finding, FindingAnswer } from "../../api/documents.ts";

/** The answers of the next builder that reported; null if there is none yet. */
export function answersTo(attempt: Attempt, attempts: readonly Attempt[]): readonly FindingAnswer[] | null {
  const next = attempts.find((other) => other.number > attempt.number && other.builder_result !== null);
  return next?.builder_result?.answers ?? null;
}

export function answerTo(finding: Finding, answers: readonly FindingAnswer[]): FindingAnswer | null {
  if (finding.finding_id === null) return null;
  return answers.find((answer) => answer.finding_id === finding.finding_id) ?? null;
}

/** Whether an earlier validator had found it already: a finding that comes back keeps its id. */
export function cameBack(finding: Finding, attempt: Attempt): boolean {
  return finding.finding_id !== null && !finding.finding_id.startsWith(`a${attempt.number}f`);
}
