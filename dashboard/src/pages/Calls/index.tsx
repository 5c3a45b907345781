import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Calls");
  return <PageHeader title="Calls" />;
}
