import { PageHeader } from "@/ui";
import { useTitle } from "@/lib/title";

export function Component() {
  useTitle("Quality");
  return <PageHeader title="Quality" />;
}
