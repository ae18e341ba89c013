// The official SDK for Node: an answer, a stream, the Responses API that is not there.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const content = "one two three";
const asked = { model: "gpt-4o", messages: [{ role: "user", content }] };

async function check(name, run) {
  let passed = false, why = "";
  try {
    passed = Boolean(await run());
  } catch (error) {
    why = `${error.name}: ${error.message}`.split("\n")[0].slice(0, 200);
  }
  console.log(JSON.stringify({ check: name, passed, why }));
}

await check("an answer", async () => {
  const answer = await client.chat.completions.create(asked);
  return answer.choices[0].message.content === content;
});
await check("a stream", async () => {
  let text = "";
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    text += chunk.choices[0].delta.content ?? "";
  }
  return text === content;
});
await check("no /responses", () =>
  client.responses.create({ model: "gpt-4o", input: "x" }).then(
    () => false,
    (error) => error.status === 404 && error.message.includes("does not have the Responses API"),
  ));
