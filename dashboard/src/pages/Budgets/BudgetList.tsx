import { useState } from "react";
import { Lock, Pencil, Trash2, Wallet } from "lucide-react";
import { useGet, useGetIf, useRole, useSend } from "@/api";
import type { Schema } from "@/api";
import { count, exactMoney, exactTime, money, percent } from "@/format";
import { classes } from "@/utils/classes";
import {
  Badge,
  Button,
  Card,
  ConfirmDialog,
  EmptyState,
  IconButton,
  Loaded,
  ProgressBar,
  Tooltip,
  Unpriced,
  toast,
} from "@/ui";
import { STATUS, periodText, resetText, scopeParts } from "./labels";

type Budget = Schema<"Budget">;

export function BudgetList({ onEdit, onNew }: { onEdit: (budget: Budget) => void; onNew: () => void }) {
  const admin = useRole() === "admin";
  const budgets = useGet("/api/budgets");
  const keys = useGetIf(admin && budgets.data?.budgets.some(({ scope }) => scope.api_key) === true, "/api/keys");
  const remove = useSend("delete", "/api/budgets/{budget_id}");
  const [removing, setRemoving] = useState<Budget>();
  const close = () => {
    setRemoving(undefined);
    remove.reset();
  };

  return (
    <Card flush>
      <Loaded of={budgets}>
        {({ budgets: all }) =>
          all.length === 0 ? (
            <EmptyState
              title="No budgets yet"
              icon={<Wallet aria-hidden className="size-5" />}
              action={
                admin && (
                  <Button look="primary" onClick={onNew}>
                    Create a budget
                  </Button>
                )
              }
            >
              A budget limits spend per period: for the whole workspace, or for one project, provider, model, tag or API
              key. You are alerted before it is used up.{!admin && " Ask an admin to create one."}
            </EmptyState>
          ) : (
            <ul aria-label="Budgets" className="divide-y divide-line">
              {all.map((budget) => (
                <Row
                  key={budget.id}
                  budget={budget}
                  keys={keys.data?.keys}
                  onEdit={admin ? () => onEdit(budget) : undefined}
                  onRemove={admin ? () => setRemoving(budget) : undefined}
                />
              ))}
            </ul>
          )
        }
      </Loaded>
      <ConfirmDialog
        open={removing !== undefined}
        onClose={close}
        title={`Delete “${removing?.name ?? ""}”?`}
        action="Delete budget"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() =>
          removing &&
          remove.mutate(
            { path: { budget_id: removing.id } },
            {
              onSuccess: () => {
                toast(`“${removing.name}” deleted`);
                close();
              },
            },
          )
        }
      >
        <p>Alerts and blocking stop. Calls and costs are kept.</p>
      </ConfirmDialog>
    </Card>
  );
}

interface RowProps {
  budget: Budget;
  keys: readonly Schema<"ApiKey">[] | undefined;
  onEdit?: () => void;
  onRemove?: () => void;
}

function Row({ budget, keys, onEdit, onRemove }: RowProps) {
  const status = STATUS[budget.status];
  const parts = scopeParts(budget, keys);
  return (
    <li
      data-budget={budget.name}
      className={classes(
        "grid grid-cols-[minmax(0,1fr)_auto] gap-x-6 gap-y-3 px-4 py-4 sm:px-5 lg:items-center",
        onEdit ? "lg:grid-cols-[minmax(0,2fr)_minmax(0,3fr)_auto]" : "lg:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]",
      )}
    >
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <h2 className="min-w-0 break-words">{budget.name}</h2>
          <Badge tone={status.tone}>{status.label}</Badge>
          {budget.hard && (
            <Tooltip text="Blocks reservations above the limit">
              <button type="button" className="cursor-default! rounded-full">
                <Badge icon={<Lock aria-hidden className="size-3" />}>Hard limit</Badge>
              </button>
            </Tooltip>
          )}
          <Unpriced calls={budget.unpriced_calls} />
        </div>
        <p className="mt-1 text-xs text-muted">
          {periodText(budget)} · <span title={exactTime(budget.period_end)}>{resetText(budget)}</span>
        </p>
        <p className="mt-0.5 text-xs break-words text-muted">
          {parts.length === 0 ? "All calls" : parts.map(({ label, value }) => `${label}: ${value}`).join(" · ")}
        </p>
      </div>
      <div className="order-last col-span-2 min-w-0 lg:order-none lg:col-span-1">
        <div className="mb-1.5 flex items-baseline justify-between gap-3">
          <p title={`${exactMoney(budget.current_spend)} of ${exactMoney(budget.limit)}`}>
            <span className="font-semibold">{money(budget.current_spend)}</span>
            <span className="text-muted"> of {money(budget.limit)}</span>
          </p>
          <p className="font-medium">{percent(budget.percentage_used)}</p>
        </div>
        <ProgressBar
          label={`${budget.name}: share used`}
          percentUsed={budget.percentage_used}
          percentReserved={(budget.reserved / budget.limit) * 100}
        />
        <p className="mt-1.5 flex flex-wrap justify-between gap-x-3 text-xs text-muted">
          <span className={budget.remaining < 0 ? "text-bad" : undefined}>
            {budget.remaining < 0 ? `${money(-budget.remaining)} over` : `${money(budget.remaining)} remaining`}
          </span>
          {budget.hard && budget.unchecked_calls > 0 && (
            <span className="text-bad">
              {budget.unchecked_calls === 1
                ? "1 call was made without a check"
                : `${count(budget.unchecked_calls)} calls were made without a check`}
            </span>
          )}
          {budget.reserved > 0 && <span title={exactMoney(budget.reserved)}>{money(budget.reserved)} reserved</span>}
        </p>
      </div>
      {onEdit && onRemove && (
        <div className="-mr-2 flex justify-end self-start lg:self-auto">
          <IconButton
            size="sm"
            label={`Edit ${budget.name}`}
            icon={<Pencil aria-hidden className="size-4" />}
            onClick={onEdit}
          />
          <IconButton
            size="sm"
            label={`Delete ${budget.name}`}
            icon={<Trash2 aria-hidden className="size-4" />}
            onClick={onRemove}
          />
        </div>
      )}
    </li>
  );
}
