import { useState } from "react";
import { useGet, useSend } from "@/api";
import type { Schema } from "@/api";
import { isoDay, timeZone } from "@/format";
import { Checkbox, DialogForm, Field, NumberInput, Select, SuggestInput, TextInput, TimeZoneInput, toast } from "@/ui";
import type { Period } from "./labels";
import { PERIODS } from "./labels";

const PERIOD_OPTIONS = (Object.keys(PERIODS) as Period[]).map((value) => ({ value, label: PERIODS[value] }));
const NUMBERS = String.raw`\s*\d+(\.\d+)?(\s*[,;\s]\s*\d+(\.\d+)?)*\s*`;

function startOf(budget: Schema<"Budget"> | undefined) {
  const scope = budget?.scope;
  return {
    name: budget?.name ?? "",
    limit: budget ? String(budget.limit) : "",
    period: budget?.period ?? "monthly",
    start: budget?.starts_on ?? isoDay(new Date()),
    days: String(budget?.days ?? 14),
    project: scope?.project ?? "",
    provider: scope?.provider ?? "",
    model: scope?.model ?? "",
    tag: scope?.tag ?? "",
    api_key: scope?.api_key ?? "",
    hard: budget?.hard ?? false,
    thresholds: (budget?.thresholds ?? [50, 80, 100]).join(", "),
    tz: budget?.tz ?? timeZone,
  };
}

/** Creates or edits a budget. Scope and period identify a budget, so they cannot be edited. */
export function BudgetForm({ budget, onClose }: { budget: Schema<"Budget"> | undefined; onClose: () => void }) {
  const [values, setValues] = useState(() => startOf(budget));
  const save = useSend("post", "/api/budgets");
  const change = (changes: Partial<typeof values>) => setValues((before) => ({ ...before, ...changes }));
  const input = (
    name: "name" | "limit" | "start" | "days" | "project" | "provider" | "model" | "tag" | "thresholds" | "tz",
  ) => ({
    value: values[name],
    onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
  });
  const known = budget !== undefined;

  const submit = () => {
    const { project, provider, model, tag, api_key } = values;
    save.mutate(
      {
        body: {
          name: values.name.trim() || null,
          limit: Number(values.limit),
          period: values.period,
          custom: values.period === "custom" ? { start: values.start, days: Number(values.days) } : null,
          scope: {
            project: project || null,
            provider: provider || null,
            model: model || null,
            tag: tag || null,
            api_key: api_key || null,
          },
          hard: values.hard,
          thresholds: values.thresholds
            .split(/[\s,;]+/)
            .filter(Boolean)
            .map(Number),
          tz: values.tz,
        },
      },
      {
        onSuccess: (saved) => {
          toast(known ? `“${saved.name}” updated` : `“${saved.name}” created`);
          onClose();
        },
      },
    );
  };

  return (
    <DialogForm
      onSubmit={submit}
      onClose={onClose}
      action={known ? "Save" : "Create budget"}
      busy={save.isPending}
      error={save.error}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Name" hint="Optional; defaults to the period" of={save.error} name="name">
          <TextInput maxLength={128} {...input("name")} />
        </Field>
        <Field label="Limit in US dollars" of={save.error} name="limit">
          <NumberInput required min="0" {...input("limit")} />
        </Field>
        <Field label="Period" of={save.error} name="period">
          <Select
            options={PERIOD_OPTIONS}
            value={values.period}
            disabled={known}
            onChange={(period) => change({ period: period as Period })}
          />
        </Field>
        <Field label="Time zone" hint="Days and months start in this time zone" of={save.error} name="tz">
          <TimeZoneInput {...input("tz")} />
        </Field>
        {values.period === "custom" && (
          <>
            <Field label="Start date" of={save.error} name="start">
              <TextInput type="date" required disabled={known} {...input("start")} />
            </Field>
            <Field label="Days" of={save.error} name="days">
              <NumberInput required min="1" max="3660" step="1" disabled={known} {...input("days")} />
            </Field>
          </>
        )}
      </div>
      <Scope values={values} input={input} change={change} error={save.error} known={known} />
      <Field
        label="Alert thresholds (percent)"
        hint="One alert per threshold and period, such as 50, 80, 100"
        of={save.error}
        name="thresholds"
      >
        <TextInput required pattern={NUMBERS} title="Numbers separated by commas" {...input("thresholds")} />
      </Field>
      <Checkbox
        label="Hard limit"
        hint="Blocks reservations above the limit. Calls that don’t reserve are not blocked."
        checked={values.hard}
        onChange={(hard) => change({ hard })}
      />
    </DialogForm>
  );
}

interface ScopeProps {
  values: ReturnType<typeof startOf>;
  input: (name: "project" | "provider" | "model" | "tag") => {
    value: string;
    onChange: (event: { target: { value: string } }) => void;
  };
  change: (changes: { api_key: string }) => void;
  error: unknown;
  known: boolean;
}

function Scope({ values, input, change, error, known }: ScopeProps) {
  const projects = useGet("/api/projects", { query: { limit: 200, days: 30, tz: timeZone } }).data?.projects ?? [];
  const used = useGet("/api/costs/by-provider", { query: { days: 90, tz: timeZone } }).data?.provider_costs ?? [];
  const keys = useGet("/api/keys").data?.keys ?? [];
  const providers = used.map(({ provider }) => provider);
  const models = used
    .filter(({ provider }) => !values.provider || provider === values.provider)
    .flatMap(({ models }) => Object.keys(models));
  return (
    <fieldset>
      <legend className="text-[0.8125rem] font-medium">Applies to</legend>
      <p className="mt-0.5 mb-3 text-xs text-muted">
        {known
          ? "Scope and period can’t be changed; create another budget instead."
          : "All calls, or only those that match every field below"}
      </p>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Project" of={error} name="project">
          <SuggestInput
            maxLength={128}
            disabled={known}
            suggestions={projects.map(({ name }) => name)}
            {...input("project")}
          />
        </Field>
        <Field label="Provider" of={error} name="provider">
          <SuggestInput maxLength={64} disabled={known} suggestions={providers} {...input("provider")} />
        </Field>
        <Field label="Model" hint="Use * as a wildcard" of={error} name="model">
          <SuggestInput maxLength={256} disabled={known} suggestions={models} {...input("model")} />
        </Field>
        <Field label="Tag" hint="For example team=search" of={error} name="tag">
          <TextInput
            pattern="[^=]+=.+"
            title="A key and a value, such as team=search"
            disabled={known}
            {...input("tag")}
          />
        </Field>
        <Field label="API key" of={error} name="api_key">
          <Select
            disabled={known}
            value={values.api_key}
            onChange={(api_key) => change({ api_key })}
            options={[
              { value: "", label: "Any" },
              ...keys.map(({ id, name, last_four }) => ({ value: id, label: `${name} (…${last_four})` })),
              ...(values.api_key && !keys.some(({ id }) => id === values.api_key)
                ? [{ value: values.api_key, label: values.api_key }]
                : []),
            ]}
          />
        </Field>
      </div>
    </fieldset>
  );
}
