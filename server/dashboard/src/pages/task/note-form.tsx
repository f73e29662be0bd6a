import { api } from "../../api/swarm.ts";
import { TextForm } from "./text-form.tsx";
import { useOrder } from "./use-order.ts";

/** A field for what the later attempts should know. */
export function NoteForm({ id, reload }: { id: string; reload: () => void }) {
  const { busy, order } = useOrder(reload);
  const note = (text: string) =>
    order(
      () => api.note(id, text),
      () => `The next attempt of ${id} gets the note.`,
    );
  return <TextForm label="Note for the next attempt" act="Leave the note" busy={busy} send={note} />;
}
