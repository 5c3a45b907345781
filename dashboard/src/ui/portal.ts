import { createContext, useContext } from "react";

/** Where floating things are put: an open dialog hides and disables everything outside it. */
export const PortalContainer = createContext<HTMLElement | null>(null);

export const usePortalContainer = () => useContext(PortalContainer);
