// aimock, with an answer for every prompt; prints its base URL, ends with its stdin.
import { LLMock } from "@copilotkit/aimock";

const mock = new LLMock({ port: 0 });
mock.onMessage(/Ann is/, { content: '{"name": "Ann", "age": 3}' });
mock.onMessage(/./, { content: "Hello from **aimock**." });
await mock.start();
console.log(`${mock.url}/v1`);
process.stdin.resume().on("end", () => process.exit());
