import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Overview");
  return <PageHeader title="Overview" />;
}
