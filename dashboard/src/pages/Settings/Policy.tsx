import { useState } from "react";
import { useGet, useRole, useSend } from "@/api";
import type { Schema } from "@/api";
import { ago, count } from "@/format";
import { useTitle } from "@/hooks/useTitle";
import {
  Badge,
  Button,
  Card,
  ErrorLine,
  Field,
  Loaded,
  NumberInput,
  Switch,
  TextArea,
  TimeZoneInput,
  toast,
} from "@/ui";

type Settings = Schema<"WorkspaceSettings">;

export function Component() {
  useTitle("Policy");
  return useRole() === "admin" ? <ForAdmins /> : <ForViewers />;
}

function ForAdmins() {
  const settings = useGet("/api/settings");
  // Resets the form when someone else saves; unsaved input is lost then.
  return <Loaded of={settings}>{(data) => <PolicyForm key={data.updated_at} settings={data} />}</Loaded>;
}

const startOf = (settings: Settings) => ({
  claude_haiku_45_enabled: settings.claude_haiku_45_enabled,
  enable_caching: settings.enable_caching,
  disabled: settings.disabled_models.join("\n"),
  tokens: settings.max_tokens_per_request?.toString() ?? "",
  days: settings.retention_days?.toString() ?? "",
  tz: settings.tz,
});

function PolicyForm({ settings }: { settings: Settings }) {
  const [values, setValues] = useState(() => startOf(settings));
  const save = useSend("put", "/api/settings");
  const set = (changes: Partial<typeof values>) => setValues((before) => ({ ...before, ...changes }));
  const before = startOf(settings);
  const same = (Object.keys(before) as (keyof typeof before)[]).every((name) => before[name] === values[name]);
  const submit = () =>
    save.mutate(
      {
        body: {
          claude_haiku_45_enabled: values.claude_haiku_45_enabled,
          enable_caching: values.enable_caching,
          disabled_models: values.disabled
            .split("\n")
            .map((line) => line.trim())
            .filter(Boolean),
          max_tokens_per_request: values.tokens === "" ? null : Number(values.tokens),
          retention_days: values.days === "" ? null : Number(values.days),
          tz: values.tz,
        },
      },
      { onSuccess: () => toast("Policy saved") },
    );
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <ErrorLine error={save.error} />
      <Card
        title="Allowed models"
        note="Enforced by the SDKs and by budget checks. Other calls are flagged as violations."
      >
        <div className="max-w-xl space-y-4">
          <Switch
            label="Claude Haiku 4.5"
            hint="Allow this model from any provider"
            checked={values.claude_haiku_45_enabled}
            onChange={(on) => set({ claude_haiku_45_enabled: on })}
          />
          <Field label="Blocked models" hint="One per line; use * as a wildcard" of={save.error} name="disabled_models">
            <TextArea
              rows={4}
              spellCheck={false}
              className="font-mono text-[0.8125rem]"
              value={values.disabled}
              onChange={(event) => set({ disabled: event.target.value })}
            />
          </Field>
          <Field
            label="Max tokens per call"
            hint="Input + output; empty = no limit"
            of={save.error}
            name="max_tokens_per_request"
          >
            <NumberInput
              min="1"
              max="2000000000"
              step="1"
              className="max-w-48"
              value={values.tokens}
              onChange={(event) => set({ tokens: event.target.value })}
            />
          </Field>
          <Switch
            label="Caching"
            hint="Let SDKs answer repeated calls from a cache"
            checked={values.enable_caching}
            onChange={(on) => set({ enable_caching: on })}
          />
        </div>
      </Card>
      <Card title="Retention and time zone">
        <div className="grid max-w-xl gap-4 sm:grid-cols-2">
          <Field
            label="Keep calls for (days)"
            hint="Empty = forever. Totals are always kept."
            of={save.error}
            name="retention_days"
          >
            <NumberInput
              min="1"
              max="3650"
              step="1"
              value={values.days}
              onChange={(event) => set({ days: event.target.value })}
            />
          </Field>
          <Field label="Time zone" hint="Used for digests and anomalies" of={save.error} name="tz">
            <TimeZoneInput value={values.tz} onChange={(event) => set({ tz: event.target.value })} />
          </Field>
        </div>
      </Card>
      <div className="flex flex-wrap items-center gap-3">
        <Button type="submit" look="primary" busy={save.isPending} disabled={same}>
          Save policy
        </Button>
        {!same && <Button onClick={() => setValues(before)}>Discard changes</Button>}
        {settings.updated_at !== null && <p className="text-xs text-muted">Last changed {ago(settings.updated_at)}</p>}
      </div>
    </form>
  );
}

function ForViewers() {
  const policy = useGet("/api/settings/policy");
  return (
    <Card title="Policy" note="Rules for the applications of this workspace. Only admins can edit them.">
      <Loaded of={policy}>
        {({ disabled_models, max_tokens_per_request, enable_caching }) => (
          <dl className="grid gap-x-6 gap-y-3 sm:grid-cols-[14rem_minmax(0,1fr)]">
            <dt className="text-muted">Blocked models</dt>
            <dd className="flex flex-wrap gap-1">
              {disabled_models.length === 0
                ? "None"
                : disabled_models.map((model) => <Badge key={model}>{model}</Badge>)}
            </dd>
            <dt className="text-muted">Max tokens per call</dt>
            <dd>{max_tokens_per_request === null ? "No limit" : count(max_tokens_per_request)}</dd>
            <dt className="text-muted">SDK caching</dt>
            <dd>{enable_caching ? "Allowed" : "Not allowed"}</dd>
          </dl>
        )}
      </Loaded>
    </Card>
  );
}
