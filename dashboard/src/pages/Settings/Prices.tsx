import { useState } from "react";
import { CalendarX2, Plus, Tags } from "lucide-react";
import { useGet, useRole, useSend } from "@/api";
import type { Schema } from "@/api";
import { dateTime, exactMoney, percent } from "@/format";
import { providerName } from "@/format/providers";
import { useTitle } from "@/hooks/useTitle";
import {
  Badge,
  Button,
  Card,
  Dialog,
  DialogForm,
  EmptyState,
  Field,
  IconButton,
  Loaded,
  Table,
  TextInput,
  toast,
} from "@/ui";
import { PriceForm } from "./PriceForm";
import { RATES } from "./rates";

type Price = Schema<"CustomPrice">;

export function Component() {
  useTitle("Custom prices");
  const admin = useRole() === "admin";
  const prices = useGet("/api/prices");
  const [adding, setAdding] = useState(false);
  const [ending, setEnding] = useState<Price>();
  return (
    <Card
      flush
      title="Custom prices"
      note="Override list prices for calls received from now on."
      actions={
        admin && (
          <Button
            size="sm"
            look="primary"
            icon={<Plus aria-hidden className="size-3.5" />}
            onClick={() => setAdding(true)}
          >
            Add a price
          </Button>
        )
      }
    >
      <Loaded of={prices}>
        {({ prices: all }) => (
          <Table
            caption="Custom prices"
            rows={all}
            rowKey={({ id }) => id}
            empty={
              <EmptyState title="No custom prices" icon={<Tags aria-hidden className="size-5" />}>
                Calls use the public price list. Add a price for a discount, a contract or your own model.
              </EmptyState>
            }
            columns={[
              {
                key: "model",
                header: "Model",
                cell: (price) => (
                  <>
                    <span className="font-medium break-words">{price.model}</span>
                    <span className="block text-xs text-muted">{providerName(price.provider)}</span>
                    <div className="mt-1 space-y-1 sm:hidden">
                      <Terms price={price} />
                      <p className="text-xs text-muted">
                        From {dateTime(price.starts_at)}, <Until at={price.ends_at} />
                      </p>
                    </div>
                  </>
                ),
              },
              { key: "terms", header: "Price", wide: true, cell: (price) => <Terms price={price} /> },
              {
                key: "from",
                wide: true,
                header: "Starts",
                cell: ({ starts_at }) => <span className="whitespace-nowrap">{dateTime(starts_at)}</span>,
              },
              { key: "until", wide: true, header: "Ends", cell: ({ ends_at }) => <Until at={ends_at} /> },
              ...(admin
                ? [
                    {
                      key: "actions",
                      header: <span className="sr-only">Actions</span>,
                      right: true,
                      cell: (price: Price) =>
                        !isOver(price.ends_at) && (
                          <IconButton
                            size="sm"
                            label={`Set end date for ${price.model}`}
                            icon={<CalendarX2 aria-hidden className="size-4" />}
                            onClick={() => setEnding(price)}
                          />
                        ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </Loaded>
      <Dialog
        open={adding}
        onClose={() => setAdding(false)}
        title="Add a price"
        note="Applies to calls received from now on. Stored calls keep their price."
      >
        <PriceForm onClose={() => setAdding(false)} />
      </Dialog>
      <Dialog
        open={ending !== undefined}
        onClose={() => setEnding(undefined)}
        title={`Set end date for ${ending?.model ?? ""}`}
      >
        {ending && <End price={ending} onClose={() => setEnding(undefined)} />}
      </Dialog>
    </Card>
  );
}

const isOver = (at: string | null) => at !== null && new Date(at) <= new Date();

function Until({ at }: { at: string | null }) {
  if (at === null) return <span className="text-muted">no end</span>;
  return isOver(at) ? (
    <Badge>ended {dateTime(at)}</Badge>
  ) : (
    <span className="whitespace-nowrap">until {dateTime(at)}</span>
  );
}

function Terms({ price }: { price: Price }) {
  if (price.percent_of_list !== null) return <>{percent(price.percent_of_list)} of the list price</>;
  const given = RATES.filter(({ name }) => price[name] !== null);
  return (
    <dl className="grid grid-cols-[auto_auto] justify-start gap-x-3 text-[0.8125rem]">
      {given.map(({ name, label, unit }) => (
        <div key={name} className="col-span-2 grid grid-cols-subgrid">
          <dt className="text-muted">{label}</dt>
          <dd className="whitespace-nowrap">
            {exactMoney(price[name])} <span className="text-xs text-muted">{unit}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function End({ price, onClose }: { price: Price; onClose: () => void }) {
  const [at, setAt] = useState("");
  const end = useSend("patch", "/api/prices/{price_id}");
  return (
    <DialogForm
      action="Set end date"
      busy={end.isPending}
      error={end.error}
      onClose={onClose}
      onSubmit={() =>
        end.mutate(
          { path: { price_id: price.id }, body: { ends_at: (at === "" ? new Date() : new Date(at)).toISOString() } },
          {
            onSuccess: () => {
              toast(at === "" ? "Price ended" : "End date saved");
              onClose();
            },
          },
        )
      }
    >
      <p className="text-muted">Later calls use the next matching price or the price list.</p>
      <Field label="End date" hint="Optional (now)" of={end.error} name="ends_at">
        <TextInput type="datetime-local" value={at} onChange={(event) => setAt(event.target.value)} />
      </Field>
    </DialogForm>
  );
}
