import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Budgets");
  return <PageHeader title="Budgets" />;
}
