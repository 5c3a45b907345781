import { useState } from "react";
import { useGet } from "@/api";
import type { Range } from "@/lib/range";
import { Field, Select, TextInput } from "@/ui";
import type { CallsView } from "./view";
import { STATUSES, VIOLATIONS } from "./view";

const ALL = { value: "", label: "All" };

/** What there is to choose from, and what is chosen even if it is not in these days. */
const options = (values: readonly string[], value: string) => [
  ALL,
  ...[...new Set(values), ...(value === "" || values.includes(value) ? [] : [value])].map((one) => ({ value: one, label: one })),
];

/** Narrows the calls; everything chosen is in the address. */
export function Filters({ range, view }: { range: Range; view: CallsView }) {
  const { state, set } = view;
  const providers = useGet("/api/costs/by-provider", { query: range.query }).data?.provider_costs ?? [];
  const projects = useGet("/api/costs/by-project", { query: range.query }).data?.project_costs ?? [];
  const models = providers
    .filter(({ provider }) => state.provider === "" || provider === state.provider)
    .flatMap((one) => Object.keys(one.models));
  return (
    <div
      role="search"
      aria-label="Filters"
      className="mb-4 grid grid-cols-2 items-end gap-x-3 gap-y-2.5 sm:grid-cols-3 lg:grid-cols-6"
    >
      <Field label="Model">
        <Select value={state.model} options={options(models, state.model)} onChange={(model) => set({ model })} />
      </Field>
      <Field label="Provider">
        <Select
          value={state.provider}
          options={options(providers.map((one) => one.provider), state.provider)}
          onChange={(provider) => set({ provider, model: "" })}
        />
      </Field>
      <Field label="Project">
        <Select
          value={state.project}
          options={options(projects.flatMap((one) => one.project ?? []), state.project)}
          onChange={(project) => set({ project })}
        />
      </Field>
      <Field label="Status">
        <Select value={state.status} options={[ALL, ...STATUSES]} onChange={(status) => set({ status })} />
      </Field>
      <TagFilter key={state.tag} tag={state.tag} onChange={(tag) => set({ tag })} />
      <Field label="Broken rule">
        <Select
          value={state.policy_violation}
          options={[ALL, ...VIOLATIONS]}
          onChange={(policy_violation) => set({ policy_violation })}
        />
      </Field>
    </div>
  );
}

/** Asked only when it is left or Enter is pressed, since half of a tag finds nothing. */
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
      <Field label="Tag" error={wrong ? "As key:value" : undefined}>
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
