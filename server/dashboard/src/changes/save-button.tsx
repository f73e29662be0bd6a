interface SaveButtonProps {
  patch: string;
  name: string;
}

/** Saves the patch as a file. A link to the server's route would lack the CSRF token that every read needs. */
export function SaveButton({ patch, name }: SaveButtonProps) {
  const save = () => {
    const address = URL.createObjectURL(new Blob([patch], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <button type="button" class="button small" onClick={save}>
      Save the patch
    </button>
  );
}
