import type { Hold, Note, TaskDetail } from "../../api/documents.ts";
import { operates } from "../../state/session.ts";
import { moment } from "../../text/format.ts";
import { oneLine } from "../../text/visible.ts";
import { Panel } from "../../ui/panel.tsx";
import { Prose } from "../../ui/text.tsx";
import { NoteForm } from "./note-form.tsx";

/** The holds that have ended, with their answers, and the notes of people. */
export function SaidPanel({ task, reload }: { task: TaskDetail; reload: () => void }) {
  const ended = task.holds.filter(({ ended_at }) => ended_at !== null);
  // A held task has the field above; a completed one has no next attempt.
  const notes = operates.value && task.status !== "held" && task.status !== "completed";
  if (ended.length === 0 && task.notes.length === 0 && !notes) return null;
  return (
    <Panel title="Holds and notes" class="said">
      {ended.map((hold) => (
        <EndedHold key={hold.hold_id} hold={hold} />
      ))}
      {task.notes.map((note, index) => (
        <NoteView key={index} note={note} />
      ))}
      {notes && (
        <details>
          <summary>Leave a note</summary>
          <NoteForm id={task.id} reload={reload} />
        </details>
      )}
    </Panel>
  );
}

function EndedHold({ hold }: { hold: Hold }) {
  const begun = `${hold.kind === "question" ? "Asked" : "Held"}${by(hold.held_by)}, ${moment(hold.since)}`;
  return (
    <div class="said-part" data-hold={hold.hold_id}>
      <p class="dim small">{begun}</p>
      <Prose text={hold.text} />
      <p class="dim small">
        {endWord(hold)}
        {by(hold.ended_by)}, {moment(hold.ended_at)}
      </p>
      {hold.answer !== null && <Prose class="answer" text={hold.answer} />}
    </div>
  );
}

function endWord({ kind, answer, approved }: Hold): string {
  if (approved) return "Approved";
  if (answer === null) return "Ended";
  return kind === "approval" ? "Rejected" : "Answered";
}

function NoteView({ note }: { note: Note }) {
  return (
    <div class="said-part" data-note>
      <p class="dim small">
        Note{by(note.author)}, {moment(note.noted_at)}
      </p>
      <Prose text={note.text} />
    </div>
  );
}

function by(name: string | null): string {
  return name === null ? "" : ` by ${oneLine(name)}`;
}
