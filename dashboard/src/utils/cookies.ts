/** Plain cookies for settings that are not secret. */

export function getCookie(name: string): string | undefined {
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(`${name}=`));
  return found && decodeURIComponent(found.slice(name.length + 1));
}

/** Stores a value for a year, or deletes it. */
export function setCookie(name: string, value: string | undefined) {
  const rest = `path=/; SameSite=Strict; max-age=${value === undefined ? 0 : 31_536_000}`;
  document.cookie = `${name}=${encodeURIComponent(value ?? "")}; ${rest}${location.protocol === "https:" ? "; Secure" : ""}`;
}
