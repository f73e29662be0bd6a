// The words of changes for people.
import type { Change, ChangedFile } from "../api/documents.ts";
import { count, plural } from "../text/format.ts";

const SHORT = 12;

/** A commit as git shows it in short. */
export function commitShort(commit: string): string {
  return commit.slice(0, SHORT);
}

const STATUSES = new Map([
  ["A", "added"],
  ["M", "modified"],
  ["D", "removed"],
  ["R", "renamed"],
  ["C", "copied"],
  ["T", "of another type"],
]);

export function fileStatusWord(status: string): string {
  return STATUSES.get(status) ?? status;
}

export function addedWord(file: ChangedFile): string {
  return file.added === null ? "" : `+${count(file.added)}`;
}

export function removedWord(file: ChangedFile): string {
  return file.removed === null ? "" : `−${count(file.removed)}`;
}

/** How much it changes; only the listed files are counted by line. */
export function changeSize(change: Change): string {
  const added = change.files.reduce((sum, file) => sum + (file.added ?? 0), 0);
  const removed = change.files.reduce((sum, file) => sum + (file.removed ?? 0), 0);
  return `${plural(change.file_count, "file")}, +${count(added)} −${count(removed)}`;
}

/** The command that shows the change in the repository; a ref may have characters that a shell obeys. */
export function diffCommand(change: Change): string {
  return `git diff ${change.base} ${change.head}`;
}
