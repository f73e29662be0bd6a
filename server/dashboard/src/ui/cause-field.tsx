interface CauseFieldProps {
  value: string;
  onInput: (cause: string) => void;
  focus?: boolean;
}

/** Why an order is given: it is stored with what it changes. */
export function CauseField({ value, onInput, focus = false }: CauseFieldProps) {
  return (
    <label class="labelled">
      Cause, for whoever looks later
      <input
        class="field"
        name="cause"
        value={value}
        maxLength={500}
        autoFocus={focus}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}
