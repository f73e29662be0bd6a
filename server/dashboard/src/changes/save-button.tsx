import { saveFile } from "../ui/save-file.ts";

interface SaveButtonProps {
  patch: string;
  name: string;
}

/** Saves the patch as a file. A link to the server's route would lack the CSRF token that every read needs. */
export function SaveButton({ patch, name }: SaveButtonProps) {
  return (
    <button type="button" class="button small" onClick={() => saveFile(patch, name)}>
      Save the patch
    </button>
  );
}
