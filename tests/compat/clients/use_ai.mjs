// Vercel's AI SDK: an answer, a stream, a tool, an error.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";

const provider = createOpenAICompatible({
  name: "ocx", baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY,
});
const model = provider("gpt-4o");

async function check(name, run) {
  let passed = false, why = "";
  try {
    passed = Boolean(await run());
  } catch (error) {
    why = `${error.name}: ${error.message}`.split("\n")[0].slice(0, 200);
  }
  console.log(JSON.stringify({ check: name, passed, why }));
}

const prompt = "one two three";
await check("an answer", async () => (await generateText({ model, prompt })).text === prompt);
await check("a stream", async () => {
  let text = "";
  for await (const piece of streamText({ model, prompt }).textStream) text += piece;
  return text === prompt;
});
await check("a tool", async () => {
  const number = { type: "number" };
  const inputSchema = jsonSchema({ type: "object", properties: { a: number, b: number } });
  const tools = { add: tool({ description: "adds", inputSchema }) };
  const { toolCalls } = await generateText({ model, prompt: "add(a=2, b=40)", tools });
  return toolCalls[0].input.a === 2 && toolCalls[0].input.b === 40;
});
await check("no credits", async () => {
  try {
    await generateText({ model: provider("fault/402"), prompt, maxRetries: 0 });
  } catch (error) {
    return error.statusCode === 402;
  }
});
