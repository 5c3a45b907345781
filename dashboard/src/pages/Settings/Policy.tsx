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
  // What somebody else saved meanwhile is shown; what one is typing is theirs until then.
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
      { onSuccess: () => toast("The policy is saved") },
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
        title="What applications may call"
        note="SDKs and the guard obey it; a call that does not is marked in the list of calls."
      >
        <div className="max-w-xl space-y-4">
          <Switch
            label="Claude Haiku 4.5"
            hint="Whether it may be called, whoever provides it"
            checked={values.claude_haiku_45_enabled}
            onChange={(on) => set({ claude_haiku_45_enabled: on })}
          />
          <Field
            label="Other models nobody may call"
            hint="One a line; * stands for anything"
            of={save.error}
            name="disabled_models"
          >
            <TextArea
              rows={4}
              spellCheck={false}
              className="font-mono text-[0.8125rem]"
              value={values.disabled}
              onChange={(event) => set({ disabled: event.target.value })}
            />
          </Field>
          <Field
            label="Most tokens of a call"
            hint="Prompt and output together; left empty, no limit"
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
            hint="Whether an SDK may answer a call it has made before from a cache"
            checked={values.enable_caching}
            onChange={(on) => set({ enable_caching: on })}
          />
        </div>
      </Card>
      <Card title="What is kept, and when days begin">
        <div className="grid max-w-xl gap-4 sm:grid-cols-2">
          <Field
            label="Days that calls are kept"
            hint="Left empty, forever. The totals stay."
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
          <Field label="Time zone" hint="Of digests and of what is unusual" of={save.error} name="tz">
            <TimeZoneInput value={values.tz} onChange={(event) => set({ tz: event.target.value })} />
          </Field>
        </div>
      </Card>
      <div className="flex flex-wrap items-center gap-3">
        <Button type="submit" look="primary" busy={save.isPending} disabled={same}>
          Save policy
        </Button>
        {!same && <Button onClick={() => setValues(before)}>Undo</Button>}
        {settings.updated_at !== null && <p className="text-xs text-muted">Last changed {ago(settings.updated_at)}</p>}
      </div>
    </form>
  );
}

function ForViewers() {
  const policy = useGet("/api/settings/policy");
  return (
    <Card title="Policy" note="What applications of this workspace have to obey. Admins set it.">
      <Loaded of={policy}>
        {({ disabled_models, max_tokens_per_request, enable_caching }) => (
          <dl className="grid gap-x-6 gap-y-3 sm:grid-cols-[14rem_minmax(0,1fr)]">
            <dt className="text-muted">Models nobody may call</dt>
            <dd className="flex flex-wrap gap-1">
              {disabled_models.length === 0
                ? "None: every model may be called"
                : disabled_models.map((model) => <Badge key={model}>{model}</Badge>)}
            </dd>
            <dt className="text-muted">Most tokens of a call</dt>
            <dd>{max_tokens_per_request === null ? "No limit" : count(max_tokens_per_request)}</dd>
            <dt className="text-muted">Caching by an SDK</dt>
            <dd>{enable_caching ? "Allowed" : "Not allowed"}</dd>
          </dl>
        )}
      </Loaded>
    </Card>
  );
}
