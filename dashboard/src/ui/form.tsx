import type { ComponentProps, ReactNode } from "react";
import { createContext, useContext, useId } from "react";
import { Check, ChevronDown } from "lucide-react";
import { Checkbox as RadixCheckbox, Switch as RadixSwitch } from "radix-ui";
import { ApiError } from "@/api/errors";
import { classes } from "@/utils/classes";

interface FieldIds {
  id: string;
  describedBy: string | undefined;
  invalid: boolean;
}

const Ids = createContext<FieldIds | undefined>(undefined);

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  /** The error to show. */
  error?: ReactNode;
  /** Or the server's error, with the field's name in the body. */
  of?: unknown;
  name?: string;
  children: ReactNode;
  className?: string;
}

/** A label, an input, a hint and an error. The input picks up its id from here. */
export function Field({ label, hint, error, of, name, children, className }: FieldProps) {
  const id = useId();
  const wrong = error ?? (of instanceof ApiError && name !== undefined ? of.field(name) : undefined);
  const describedBy = [hint !== undefined && `${id}-hint`, wrong !== undefined && `${id}-error`]
    .filter(Boolean)
    .join(" ");
  return (
    <div className={classes("min-w-0", className)}>
      <label htmlFor={id} className="mb-1 block text-[0.8125rem] font-medium">
        {label}
      </label>
      <Ids value={{ id, describedBy: describedBy || undefined, invalid: wrong !== undefined }}>{children}</Ids>
      {hint !== undefined && (
        <p id={`${id}-hint`} className="mt-1 text-xs text-muted">
          {hint}
        </p>
      )}
      {wrong !== undefined && (
        <p id={`${id}-error`} className="mt-1 text-xs text-bad">
          {wrong}
        </p>
      )}
    </div>
  );
}

function useIds(id: string | undefined) {
  const ids = useContext(Ids);
  return {
    id: id ?? ids?.id,
    "aria-describedby": ids?.describedBy,
    "aria-invalid": ids?.invalid || undefined,
  };
}

const BOX =
  "w-full rounded-md border border-line-strong/70 bg-surface px-3 text-ink placeholder:text-muted " +
  "aria-invalid:border-bad disabled:opacity-60";

export function TextInput({ className, id, ...rest }: ComponentProps<"input">) {
  return <input type="text" {...useIds(id)} {...rest} className={classes(BOX, "h-9", className)} />;
}

export function NumberInput({ className, id, ...rest }: ComponentProps<"input">) {
  return (
    <input
      type="number"
      inputMode="decimal"
      step="any"
      {...useIds(id)}
      {...rest}
      className={classes(BOX, "h-9", className)}
    />
  );
}

export function TextArea({ className, id, ...rest }: ComponentProps<"textarea">) {
  return <textarea rows={3} {...useIds(id)} {...rest} className={classes(BOX, "py-2", className)} />;
}

/** A text input with suggestions; other values are accepted too. */
export function SuggestInput({ suggestions, ...rest }: ComponentProps<"input"> & { suggestions: readonly string[] }) {
  const list = useId();
  return (
    <>
      <TextInput list={list} autoComplete="off" {...rest} />
      <datalist id={list}>
        {suggestions.map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
    </>
  );
}

const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];

/** A time zone by its name, such as Europe/Berlin. */
export const TimeZoneInput = (props: ComponentProps<"input">) => (
  <SuggestInput required maxLength={64} spellCheck={false} suggestions={ZONES} {...props} />
);

interface SelectProps extends Omit<ComponentProps<"select">, "onChange"> {
  options: readonly { value: string; label: string; disabled?: boolean }[];
  onChange: (value: string) => void;
}

/** The native select, which works with keyboards, screen readers and phones. */
export function Select({ options, onChange, className, id, ...rest }: SelectProps) {
  return (
    <span className={classes("relative inline-flex w-full", className)}>
      <select
        {...useIds(id)}
        {...rest}
        onChange={(event) => onChange(event.target.value)}
        className={classes(BOX, "h-9 appearance-none truncate pr-8")}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value} disabled={option.disabled}>
            {option.label}
          </option>
        ))}
      </select>
      <ChevronDown
        aria-hidden
        className="pointer-events-none absolute top-1/2 right-2.5 size-4 -translate-y-1/2 text-muted"
      />
    </span>
  );
}

interface ToggleProps {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}

export function Checkbox({ label, hint, checked, onChange, disabled }: ToggleProps) {
  const id = useId();
  return (
    <div className="flex gap-2.5">
      <RadixCheckbox.Root
        id={id}
        checked={checked}
        disabled={disabled}
        onCheckedChange={(next) => onChange(next === true)}
        className="mt-0.5 flex size-4.5 shrink-0 items-center justify-center rounded border border-line-strong bg-surface data-[state=checked]:border-accent data-[state=checked]:bg-accent"
      >
        <RadixCheckbox.Indicator>
          <Check aria-hidden className="size-3.5 text-on-accent" strokeWidth={3} />
        </RadixCheckbox.Indicator>
      </RadixCheckbox.Root>
      <ToggleText id={id} label={label} hint={hint} />
    </div>
  );
}

export function Switch({ label, hint, checked, onChange, disabled }: ToggleProps) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4">
      <ToggleText id={id} label={label} hint={hint} />
      <RadixSwitch.Root
        id={id}
        checked={checked}
        disabled={disabled}
        onCheckedChange={onChange}
        className="relative mt-0.5 h-5 w-9 shrink-0 rounded-full bg-line-strong transition-colors disabled:opacity-55 data-[state=checked]:bg-accent"
      >
        <RadixSwitch.Thumb className="block size-4 translate-x-0.5 rounded-full bg-surface transition-transform data-[state=checked]:translate-x-4.5" />
      </RadixSwitch.Root>
    </div>
  );
}

function ToggleText({ id, label, hint }: { id: string; label: ReactNode; hint: ReactNode }) {
  return (
    <div>
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {hint !== undefined && <p className="text-xs text-muted">{hint}</p>}
    </div>
  );
}

/** A choice of a few visible options. */
export function Segments<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: readonly { value: T; label: ReactNode }[];
  onChange: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset className="inline-flex max-w-full overflow-x-auto rounded-md border border-line-strong/60 bg-surface p-0.5">
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className="cursor-pointer rounded px-2.5 py-1 text-[0.8125rem] font-medium whitespace-nowrap text-muted has-checked:bg-accent-soft has-checked:text-accent-strong has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            className="sr-only"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}
