import { X } from "lucide-react";
import { useGet } from "@/api";
import { providerName } from "@/format/providers";
import type { Bucket, Measure } from "@/utils/costs";
import { MEASURES, SPLITS, daysOf } from "@/utils/costs";
import type { Range } from "@/hooks/useRange";
import { Button, Card, Field, Segments, Select, Switch } from "@/ui";
import type { View } from "./view";

const BUCKETS: readonly { value: Bucket; label: string }[] = [
  { value: "hour", label: "Hour" },
  { value: "day", label: "Day" },
  { value: "week", label: "Week" },
  { value: "month", label: "Month" },
];

interface Props {
  range: Range;
  view: View;
  bucket: Bucket;
  measure: Measure;
  tagKeys: readonly string[];
  tagKey: string | undefined;
}

/** The grouping and the filters. */
export function Controls({ range, view, bucket, measure, tagKeys, tagKey }: Props) {
  const { state, set } = view;
  const byTag = state.by === "tag";
  const providers = useGet("/api/costs/by-provider", { query: range.query }).data?.provider_costs ?? [];
  const projects = useGet("/api/costs/by-project", { query: range.query }).data?.project_costs ?? [];
  const models = providers
    .filter(({ provider }) => state.provider === "" || provider === state.provider)
    .flatMap((one) => Object.keys(one.models));
  return (
    <Card title={<span className="sr-only">Display options</span>} data-controls className="[&>div:first-child]:p-0">
      <div className="flex flex-wrap items-end gap-x-5 gap-y-3 pt-4">
        <Group label="Group by">
          <Segments
            label="Group by"
            value={state.by}
            options={[...SPLITS, { value: "none", label: "None" }]}
            onChange={(by) => set({ by, key: "" })}
          />
        </Group>
        {byTag && tagKey !== undefined && (
          <Field label="Tag" className="w-36">
            <Select value={tagKey} options={withValue(tagKeys, tagKey)} onChange={(key) => set({ key })} />
          </Field>
        )}
        <Group label="Show">
          <Segments
            label="Show"
            value={measure}
            options={(Object.keys(MEASURES) as Measure[]).map((value) => ({ value, label: MEASURES[value].label }))}
            onChange={(show) => set({ show })}
          />
        </Group>
        <Field label="Interval" className="w-28">
          <Select
            value={bucket}
            options={BUCKETS.map((one) => ({ ...one, disabled: one.value === "hour" && daysOf(range) > 31 }))}
            onChange={(value) => set({ bucket: value })}
          />
        </Field>
        <div className="flex h-9 items-center">
          <Switch
            label="Compare with previous period"
            checked={state.compare}
            onChange={(compare) => set({ compare })}
          />
        </div>
      </div>
      <div className="mt-4 grid grid-cols-1 items-end gap-x-5 gap-y-3 border-t pt-4 sm:grid-cols-3 lg:flex">
        {byTag ? (
          <p className="py-1.5 text-muted">Filters don’t apply when grouping by tag.</p>
        ) : (
          <>
            <Field label="Provider" className="lg:w-48">
              <Select
                value={state.provider}
                options={[
                  ANY,
                  ...withValue(
                    providers.map((one) => one.provider),
                    state.provider,
                    providerName,
                  ),
                ]}
                onChange={(provider) => set({ provider, model: "" })}
              />
            </Field>
            <Field label="Model" className="lg:w-64">
              <Select
                value={state.model}
                options={[ANY, ...withValue([...new Set(models)], state.model)]}
                onChange={(model) => set({ model })}
              />
            </Field>
            <Field label="Project" className="lg:w-48">
              <Select
                value={state.project}
                options={[
                  ANY,
                  ...withValue(
                    projects.flatMap((one) => one.project ?? []),
                    state.project,
                  ),
                ]}
                onChange={(project) => set({ project })}
              />
            </Field>
            {view.filtered && (
              <Button look="ghost" icon={<X aria-hidden className="size-4" />} onClick={view.clear}>
                Clear filters
              </Button>
            )}
          </>
        )}
      </div>
    </Card>
  );
}

const ANY = { value: "", label: "All" };

/** The options, including the chosen one even if it has no calls in this period. */
const withValue = (values: readonly string[], value: string, labelOf = (one: string) => one) =>
  [...values, ...(value === "" || values.includes(value) ? [] : [value])].map((one) => ({
    value: one,
    label: labelOf(one),
  }));

/** Looks like a Field, but its content has its own label. */
function Group({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="min-w-0">
      <p aria-hidden className="mb-1 text-[0.8125rem] font-medium">
        {label}
      </p>
      <div className="flex min-h-9 items-center *:min-w-0">{children}</div>
    </div>
  );
}
