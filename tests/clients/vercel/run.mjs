// Vercel's AI SDK with its telemetry, exported as JSON or in protobuf.
//
//   run.mjs openai|anthropic [protobuf]
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { embed, generateObject, generateText, streamObject, streamText } from "ai";
import { z } from "zod";

const [vendor, form] = process.argv.slice(2);
const vendorUrl = process.env.VENDOR_URL;
const Exporter = form === "protobuf" ? ProtobufExporter : JsonExporter;
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new Exporter())] });
provider.register();

const openai = createOpenAI({ baseURL: `${vendorUrl}/v1`, apiKey: "sk-proj-local" });
const anthropic = createAnthropic({ baseURL: `${vendorUrl}/v1`, apiKey: "sk-ant-local" });
const prompt = "What is the capital of France?";
const schema = z.object({ city: z.string(), population: z.number() });
const common = { prompt, maxRetries: 0, experimental_telemetry: { isEnabled: true } };
const cached = {
  ...common,
  prompt: undefined,
  messages: [
    {
      role: "user",
      content: prompt,
      providerOptions: { anthropic: { cacheControl: { type: "ephemeral", ttl: "1h" } } },
    },
  ],
};

async function drain(stream) {
  for await (const part of stream) void part;
}

async function text(model, options = common) {
  await generateText({ ...options, model });
  await drain(streamText({ ...options, model }).textStream);
}

async function object(model, options = common) {
  await generateObject({ ...options, model, schema });
  const streamed = streamObject({ ...options, model, schema });
  await drain(streamed.partialObjectStream);
  await streamed.object;
}

if (vendor === "openai") {
  await text(openai.chat("gpt-4o"));
  await text(openai("gpt-5"));
  await object(openai("gpt-4o"));
  await embed({
    model: openai.textEmbeddingModel("text-embedding-3-small"),
    value: prompt,
    experimental_telemetry: { isEnabled: true },
  });
} else {
  await text(anthropic("claude-sonnet-4-5"), cached);
  await text(anthropic("claude-haiku-4-5"), cached);
  await object(anthropic("claude-sonnet-4-5"), cached);
}
const failing = vendor === "openai" ? openai.chat("gpt-4o") : anthropic("claude-sonnet-4-5");
try {
  await generateText({ ...common, model: failing, prompt: "Please refuse this" });
  throw new Error("the vendor refuses this");
} catch (error) {
  console.log(`refused: ${error.name}`);
}
await provider.forceFlush();
await provider.shutdown();
