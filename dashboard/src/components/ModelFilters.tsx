import { useGet } from "@/api";
import { providerName } from "@/format/providers";
import type { Range } from "@/hooks/useRange";
import { Field, Select } from "@/ui";

interface Chosen {
  model: string;
  provider: string;
  project: string;
}

/** The options, including the chosen one even if it has no calls in this period. */
const options = (values: readonly string[], value: string, labelOf = (one: string) => one) => [
  { value: "", label: "All" },
  ...[...new Set(values), ...(value === "" || values.includes(value) ? [] : [value])].map((one) => ({
    value: one,
    label: labelOf(one),
  })),
];

/** Fields that filter a page by model, provider and project. */
export function ModelFilters({
  range,
  chosen,
  set,
}: {
  range: Range;
  chosen: Chosen;
  set: (chosen: Partial<Chosen>) => void;
}) {
  const providers = useGet("/api/costs/by-provider", { query: range.query }).data?.provider_costs ?? [];
  const projects = useGet("/api/costs/by-project", { query: range.query }).data?.project_costs ?? [];
  const models = providers
    .filter(({ provider }) => chosen.provider === "" || provider === chosen.provider)
    .flatMap((one) => Object.keys(one.models));
  return (
    <>
      <Field label="Model">
        <Select value={chosen.model} options={options(models, chosen.model)} onChange={(model) => set({ model })} />
      </Field>
      <Field label="Provider">
        <Select
          value={chosen.provider}
          options={options(
            providers.map((one) => one.provider),
            chosen.provider,
            providerName,
          )}
          onChange={(provider) => set({ provider, model: "" })}
        />
      </Field>
      <Field label="Project">
        <Select
          value={chosen.project}
          options={options(
            projects.flatMap((one) => one.project ?? []),
            chosen.project,
          )}
          onChange={(project) => set({ project })}
        />
      </Field>
    </>
  );
}
