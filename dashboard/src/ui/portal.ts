import { createContext, useContext } from "react";

/** The container of floating elements: an open dialog hides and disables everything outside it. */
export const PortalContainer = createContext<HTMLElement | null>(null);

export const usePortalContainer = () => useContext(PortalContainer);
