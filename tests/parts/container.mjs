// Makes a container in an Azure Blob account: node container.mjs ENDPOINT CONTAINER ACCOUNT KEY
import { createHmac } from "node:crypto";

const [endpoint, container, account, key] = process.argv.slice(2);
const url = new URL(`${endpoint}/${container}?restype=container`);
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-12-02" };
const named = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
// Eleven standard headers, none of which is sent.
const signed = ["PUT", ...Array(11).fill(""), ...named, `/${account}${url.pathname}`, "restype:container"].join("\n");
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(signed).digest("base64");
headers.authorization = `SharedKey ${account}:${signature}`;
const answer = await fetch(url, { method: "PUT", headers });
if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
console.log(JSON.stringify({ made: container }));
