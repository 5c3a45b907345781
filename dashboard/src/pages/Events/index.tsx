import { X } from "lucide-react";
import { useRange } from "@/hooks/useRange";
import { useTitle } from "@/hooks/useTitle";
import { Button, Card, DateRangePicker, PageHeader } from "@/ui";
import { CallTable } from "./CallTable";
import { Export } from "./Export";
import { Filters } from "./Filters";
import { useCallsView } from "./view";

/** Every call, newest first. */
export function Component() {
  useTitle("Calls");
  const range = useRange();
  const view = useCallsView(range);
  return (
    <>
      <PageHeader title="Calls" note="Live, newest first">
        {view.filtered && (
          <Button look="ghost" icon={<X aria-hidden className="size-4" />} onClick={view.clear}>
            Clear filters
          </Button>
        )}
        <DateRangePicker range={range} />
        <Export view={view} />
      </PageHeader>
      <Filters range={range} view={view} />
      <Card flush>
        <CallTable key={JSON.stringify(view.query)} view={view} />
      </Card>
    </>
  );
}
