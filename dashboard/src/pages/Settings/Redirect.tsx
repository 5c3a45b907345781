import { Navigate, useLocation } from "react-router";

export function Component() {
  return <Navigate to={`/app/settings/workspace${useLocation().search}`} replace />;
}
