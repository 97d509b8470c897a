/**
 * CPU of one call through an SDK client: serialising, signing, HTTP, deserialising. The server is a process of its own, so that
 * its CPU is not counted; it answers at once what a GetItem of one issuance answers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { measureWarm } from '../stages/measure.ts';

const server = `
  const text = 'x'.repeat(700);
  const body = JSON.stringify({ Item: { PK: { S: 'I#a' }, SK: { S: 'REC' }, csrDer: { B: Buffer.from(text).toString('base64') } } });
  const http = require('node:http').createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': body.length });
      response.end(body);
    });
  });
  http.listen(0, '127.0.0.1', () => process.send(http.address().port));
  process.on('disconnect', () => process.exit());
`;

async function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('message', (port) => resolve(Number(port)));
    child.once('exit', (status) => reject(new Error(`the server of the bench ended with ${status}`)));
  });
}

/** ms of CPU for each call, of `calls` after as many to warm up. */
export async function measureSdkCallMs(calls: number): Promise<number> {
  const child = spawn(process.execPath, ['-e', server], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    const endpoint = `http://127.0.0.1:${await portOf(child)}`;
    const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
    const client = new DynamoDBClient({ region: 'us-east-1', endpoint, credentials });
    const keys = Array.from({ length: 2 * calls }, (_, index) => `I#${index}`);
    const { measurement } = await measureWarm(keys, calls, 4, (key) =>
      client.send(new GetItemCommand({ TableName: 'bench', Key: { PK: { S: key }, SK: { S: 'REC' } } })),
    );
    client.destroy();
    return measurement.cpuUs / 1000;
  } finally {
    child.kill();
  }
}
