/** Snippets that report a call in three ways. */

const EVENT = `{
    "provider": "openai", "model": "gpt-4o-mini",
    "input_tokens": 1200, "output_tokens": 300
  }`;

export const curl = (server: string, key: string) => `curl ${server}/api/events/track \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '${EVENT}'`;

export const python = (server: string, key: string) => `# pip install ./sdk   (from the LLMLab folder)
import llmlab

llmlab.configure(api_key="${key}", base_url="${server}")
llmlab.log_call("openai", "gpt-4o-mini", input_tokens=1200, output_tokens=300)

# Or record every call of your OpenAI, Anthropic, Gemini, Mistral or Cohere client:
llmlab.instrument()`;

export const openTelemetry = (server: string, key: string) => `# For any application that sends GenAI traces
OTEL_EXPORTER_OTLP_ENDPOINT=${server}
OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20${key}
OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
OTEL_EXPORTER_OTLP_COMPRESSION=gzip`;
