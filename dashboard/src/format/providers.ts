/** The spelling of providers' names. */

const NAMES: Readonly<Record<string, string>> = {
  anthropic: "Anthropic",
  aws: "AWS",
  azure: "Azure",
  bedrock: "Amazon Bedrock",
  cerebras: "Cerebras",
  cohere: "Cohere",
  deepseek: "DeepSeek",
  fireworks: "Fireworks",
  google: "Google",
  groq: "Groq",
  mistral: "Mistral",
  moonshotai: "Moonshot AI",
  openai: "OpenAI",
  openrouter: "OpenRouter",
  perplexity: "Perplexity",
  together: "Together AI",
  "x-ai": "xAI",
};

/** A provider's name as it spells it, or its id if it is not known. */
export const providerName = (id: string) => NAMES[id] ?? id;
