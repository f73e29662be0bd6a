import type { Change } from "../api/documents.ts";
import { visible } from "../text/visible.ts";
import { CopyButton } from "../ui/copy-button.tsx";
import { Empty } from "../ui/states.tsx";
import { diffCommand } from "./words.ts";

/** Instead of a patch that was too long to be stored: the command that shows it. */
export function TooLong({ change }: { change: Change }) {
  const command = diffCommand(change);
  return (
    <Empty title="The patch has more than 1 MiB, so it was not stored.">
      In the repository: <code>{visible(command)}</code> <CopyButton text={command} what="the command" />
    </Empty>
  );
}
