import { X } from "lucide-react";
import { useGet } from "@/api";
import type { Range } from "@/lib/range";
import { Button, Field, Select } from "@/ui";
import type { QualityView } from "./view";

const options = (values: readonly string[], value: string) => [
  { value: "", label: "All" },
  ...[...new Set(values), ...(value === "" || values.includes(value) ? [] : [value])].map((one) => ({ value: one, label: one })),
];

/** Narrows all figures of the page but what people said. */
export function Filters({ range, view }: { range: Range; view: QualityView }) {
  const { state, set } = view;
  const providers = useGet("/api/costs/by-provider", { query: range.query }).data?.provider_costs ?? [];
  const projects = useGet("/api/costs/by-project", { query: range.query }).data?.project_costs ?? [];
  const models = providers
    .filter(({ provider }) => state.provider === "" || provider === state.provider)
    .flatMap((one) => Object.keys(one.models));
  const filtered = Object.values(state).some((value) => value !== "");
  return (
    <div role="search" aria-label="Filters" className="mb-4 grid grid-cols-1 items-end gap-x-3 gap-y-2.5 sm:grid-cols-[14rem_11rem_11rem_auto] sm:justify-start">
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
      {filtered && (
        <Button look="ghost" icon={<X aria-hidden className="size-4" />} onClick={() => set({ provider: "", model: "", project: "" })}>
          Remove the filters
        </Button>
      )}
    </div>
  );
}
