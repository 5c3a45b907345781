import { useState } from "react";
import { useGet, useSend } from "@/api";
import { percent, timeZone } from "@/format";
import { DialogForm, Field, NumberInput, Segments, SuggestInput, TextInput, toast } from "@/ui";
import type { RateName } from "./rates";
import { RATES } from "./rates";

const KINDS = [
  { value: "percent", label: "Percentage of list price" },
  { value: "rates", label: "Custom rates" },
] as const;

const number = (text: string) => (text.trim() === "" ? null : Number(text));
const moment = (text: string) => (text === "" ? null : new Date(text).toISOString());

export function PriceForm({ onClose }: { onClose: () => void }) {
  const [provider, setProvider] = useState("");
  const [model, setModel] = useState("");
  const [kind, setKind] = useState<(typeof KINDS)[number]["value"]>("percent");
  const [share, setShare] = useState("");
  const [rates, setRates] = useState<Partial<Record<RateName, string>>>({});
  const [starts, setStarts] = useState("");
  const [ends, setEnds] = useState("");
  const used = useGet("/api/costs/by-provider", { query: { days: 90, tz: timeZone } }).data?.provider_costs ?? [];
  const create = useSend("post", "/api/prices");

  const submit = () =>
    create.mutate(
      {
        body: {
          provider: provider.trim(),
          model: model.trim(),
          starts_at: moment(starts),
          ends_at: moment(ends),
          ...(kind === "percent"
            ? { percent_of_list: number(share) }
            : Object.fromEntries(RATES.map(({ name }) => [name, number(rates[name] ?? "")]))),
        },
      },
      {
        onSuccess: (price) => {
          toast(`Price for ${price.model} added`);
          onClose();
        },
      },
    );

  return (
    <DialogForm onSubmit={submit} onClose={onClose} action="Add price" busy={create.isPending} error={create.error}>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Provider" of={create.error} name="provider">
          <SuggestInput
            required
            maxLength={64}
            suggestions={used.map((one) => one.provider)}
            value={provider}
            onChange={(event) => setProvider(event.target.value)}
          />
        </Field>
        <Field label="Model" hint="Use * as a wildcard" of={create.error} name="model">
          <SuggestInput
            required
            maxLength={256}
            suggestions={used
              .filter((one) => provider === "" || one.provider === provider)
              .flatMap(({ models }) => Object.keys(models))}
            value={model}
            onChange={(event) => setModel(event.target.value)}
          />
        </Field>
      </div>
      <Segments label="Price type" value={kind} options={KINDS} onChange={setKind} />
      {kind === "percent" ? (
        <Field
          label="Percentage of list price"
          hint={`80 = ${percent(20)} discount`}
          of={create.error}
          name="percent_of_list"
        >
          <NumberInput required min="0" max="1000" value={share} onChange={(event) => setShare(event.target.value)} />
        </Field>
      ) : (
        <div className="grid gap-4 sm:grid-cols-2">
          {RATES.map(({ name, label, unit, hint }) => (
            <Field key={name} label={`${label}, $ ${unit}`} hint={hint} of={create.error} name={name}>
              <NumberInput
                min="0"
                max="1000000"
                value={rates[name] ?? ""}
                onChange={(event) => setRates({ ...rates, [name]: event.target.value })}
              />
            </Field>
          ))}
        </div>
      )}
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Starts" hint="Optional (now)" of={create.error} name="starts_at">
          <TextInput type="datetime-local" value={starts} onChange={(event) => setStarts(event.target.value)} />
        </Field>
        <Field label="Ends" hint="Optional (no end)" of={create.error} name="ends_at">
          <TextInput type="datetime-local" value={ends} onChange={(event) => setEnds(event.target.value)} />
        </Field>
      </div>
    </DialogForm>
  );
}
