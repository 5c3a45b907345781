import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Advice");
  return <PageHeader title="Advice" />;
}
