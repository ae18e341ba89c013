// The scripted tour of the `openai` npm package; run by test_sdk.py, which checks its one line.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "one two three" }];
const steps = [];

async function step(name, run) {
  steps.push([name, await run()]);
}

const fails = (model, options) => async () => {
  try {
    await client.chat.completions.create({ model, messages }, options);
    return "nothing raised";
  } catch (error) {
    return `${error.constructor.name} ${error.status} ${error.code}`;
  }
};

await step("create", async () => {
  const answer = await client.chat.completions.create({ model: "gpt-4o", messages });
  return [answer.choices[0].message.content, answer.usage.total_tokens];
});
await step("stream", async () => {
  let text = "";
  let usage = null;
  const stream = await client.chat.completions.create({
    model: "gpt-4o", messages, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return [text, usage.completion_tokens];
});
await step("abort", async () => {
  const stream = await client.chat.completions.create({
    model: "fault/stall:2", messages, stream: true,
  });
  let text = "";
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    if (text === "one two ") stream.controller.abort();
  }
  return text;
});
await step("list", async () => (await client.models.list()).data.map((model) => model.id));
await step("retrieve", async () => (await client.models.retrieve("gpt-4")).id);
for (const status of [400, 401, 402, 429, 500]) {
  await step(String(status), fails(`fault/${status}`));
}
await step("404", fails("no-such-model"));
await step("key", async () => {
  const other = new OpenAI({ apiKey: "sk-live-local-wrong", maxRetries: 0 });
  try {
    await other.models.list();
    return "nothing raised";
  } catch (error) {
    return error.constructor.name;
  }
});
await step("retries", async () => {
  const patient = new OpenAI({ maxRetries: 2 });
  const answer = await patient.chat.completions.create({
    model: "fault/429,first=2,after=0", messages,
  });
  return answer.choices[0].message.content;
});
await step("cut", async () => {
  try {
    const stream = await client.chat.completions.create({
      model: "fault/error:1", messages, stream: true,
    });
    for await (const chunk of stream) void chunk;
    return "nothing raised";
  } catch (error) {
    return error.constructor.name;
  }
});
console.log(JSON.stringify(Object.fromEntries(steps)));
