/** Reads server-sent events from a body, since EventSource cannot send an Authorization header. */

export interface ServerSentEvent {
  event: string;
  data: string;
  id?: string;
}

export async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent | undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true }).replaceAll("\r\n", "\n");
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) yield parse(block);
    }
  } finally {
    // A broken reader cannot be cancelled.
    reader.cancel().catch(() => undefined);
  }
}

/** One event; undefined for a comment, which is a heartbeat. */
function parse(block: string): ServerSentEvent | undefined {
  const fields: Record<string, string> = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) {
      const name = line.slice(0, colon);
      const value = line.slice(colon + 1).replace(/^ /, "");
      fields[name] = name in fields ? `${fields[name]}\n${value}` : value;
    }
  }
  return fields.data === undefined
    ? undefined
    : { event: fields.event ?? "message", data: fields.data, ...(fields.id !== undefined && { id: fields.id }) };
}
