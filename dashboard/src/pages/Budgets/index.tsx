import { useState } from "react";
import { Plus } from "lucide-react";
import { useRole } from "@/api";
import type { Schema } from "@/api";
import { useSearchState } from "@/hooks/useSearchState";
import { useTitle } from "@/hooks/useTitle";
import { Button, Dialog, PageHeader, Tabs } from "@/ui";
import { Alerts } from "./Alerts";
import { BudgetForm } from "./BudgetForm";
import { BudgetList } from "./BudgetList";
import { Channels } from "./Channels";

const DEFAULTS = { tab: "budgets" };

/** Budgets, alerts and alert channels. */
export function Component() {
  useTitle("Budgets");
  const admin = useRole() === "admin";
  const [state, setState] = useSearchState(DEFAULTS);
  const [editing, setEditing] = useState<Schema<"Budget"> | "new">();
  const close = () => setEditing(undefined);
  const create = () => {
    setState({ tab: "budgets" });
    setEditing("new");
  };
  const budget = editing === "new" ? undefined : editing;

  return (
    <>
      <PageHeader title="Budgets" note="Spending limits and who gets alerted">
        {admin && (
          <Button look="primary" icon={<Plus aria-hidden className="size-4" />} onClick={create}>
            New budget
          </Button>
        )}
      </PageHeader>
      <Tabs
        label="Budgets and alerts"
        value={state.tab}
        onChange={(tab) => setState({ tab })}
        tabs={[
          { value: "budgets", label: "Budgets", content: <BudgetList onEdit={setEditing} onNew={create} /> },
          { value: "alerts", label: "Alerts", content: <Alerts /> },
          ...(admin || state.tab === "channels"
            ? [{ value: "channels", label: "Channels", content: <Channels /> }]
            : []),
        ]}
      />
      <Dialog open={editing !== undefined} onClose={close} title={budget ? `Edit “${budget.name}”` : "New budget"}>
        <BudgetForm budget={budget} onClose={close} />
      </Dialog>
    </>
  );
}
