interface ChoiceProps<T> {
  label: string;
  choices: readonly (readonly [T, string])[];
  /** Null if none of them is chosen. */
  value: T | null;
  choose: (value: T) => void;
}

/** A few buttons of which one is pressed. */
export function Choice<T extends string | number>({ label, choices, value, choose }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {choices.map(([one, word]) => (
        <button key={one} type="button" class="chip" aria-pressed={one === value} onClick={() => choose(one)}>
          {word}
        </button>
      ))}
    </div>
  );
}
