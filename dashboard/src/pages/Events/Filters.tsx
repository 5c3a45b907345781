import { useState } from "react";
import { useGet } from "@/api";
import type { Range } from "@/hooks/useRange";
import { ModelFilters } from "@/components/ModelFilters";
import { Field, Select, TextInput } from "@/ui";
import type { CallsView } from "./view";
import { STATUSES, VIOLATIONS } from "./view";

const ALL = { value: "", label: "All" };

/** Filters the calls. The choices are kept in the address. */
export function Filters({ range, view }: { range: Range; view: CallsView }) {
  const { state, set } = view;
  return (
    <div
      role="search"
      aria-label="Filters"
      className="mb-4 grid grid-cols-2 items-end gap-x-3 gap-y-2.5 sm:grid-cols-3 lg:grid-cols-6"
    >
      <ModelFilters range={range} chosen={state} set={set} />
      <Field label="Status">
        <Select value={state.status} options={[ALL, ...STATUSES]} onChange={(status) => set({ status })} />
      </Field>
      <TagFilter key={state.tag} tag={state.tag} onChange={(tag) => set({ tag })} />
      <Field label="Policy violation">
        <Select
          value={state.policy_violation}
          options={[ALL, ...VIOLATIONS]}
          onChange={(policy_violation) => set({ policy_violation })}
        />
      </Field>
    </div>
  );
}

/** Applied on blur or Enter, since an incomplete tag matches nothing. */
function TagFilter({ tag, onChange }: { tag: string; onChange: (tag: string) => void }) {
  const [text, setText] = useState(tag);
  const [wrong, setWrong] = useState(false);
  const keys = useGet("/api/costs/tag-keys").data?.keys ?? [];
  function take() {
    const next = text.trim();
    const whole = next === "" || /^[^:]+:./.test(next);
    setWrong(!whole);
    if (whole && next !== tag) onChange(next);
  }
  return (
    <form
      className="min-w-0"
      onSubmit={(event) => {
        event.preventDefault();
        take();
      }}
    >
      <Field label="Tag" error={wrong ? "Use key:value" : undefined}>
        <TextInput
          value={text}
          placeholder="key:value"
          list="tag-keys"
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setText(event.target.value)}
          onBlur={take}
        />
      </Field>
      <datalist id="tag-keys">
        {keys.map((key) => (
          <option key={key} value={`${key}:`} />
        ))}
      </datalist>
    </form>
  );
}
