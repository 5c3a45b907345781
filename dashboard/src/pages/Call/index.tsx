import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Call");
  return <PageHeader title="Call" />;
}
