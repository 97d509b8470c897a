import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqsDeadLetters } from '../../shared/adapters/sqs/dead-letters.ts';

const url = (name: string) => `https://sqs.eu-central-1.amazonaws.com/111122223333/${name}`;
const sourceOf = (name: string) => ({
  name,
  queueUrl: url(name),
  deadLetterQueueUrl: url(`${name}-dead`),
  receiveCountMax: 10,
});
const dead = (id: string, body: string, sentAt: number) => ({
  MessageId: id,
  Body: body,
  ReceiptHandle: `handle-${id}`,
  Attributes: { SentTimestamp: String(sentAt) },
});

describe('dead letters on SQS', () => {
  let mock: ReturnType<typeof mockClient>;
  beforeEach(() => {
    mock = mockClient(SQSClient as never);
    on(ChangeMessageVisibilityBatchCommand).callsFake(all);
    on(SendMessageBatchCommand).callsFake(all);
    on(DeleteMessageCommand).resolves({});
    on(ReceiveMessageCommand).resolves({});
  });
  afterEach(() => mock.restore());

  const on = (command: unknown, input?: object) => mock.on(command as never, input as never);
  const all = ({ Entries }: { readonly Entries: readonly unknown[] }) => ({
    Successful: Entries.map((_, id) => ({ Id: String(id) })),
  });
  const inputs = (command: unknown) =>
    mock.commandCalls(command as never).map((call) => (call.args[0] as { readonly input: unknown }).input);
  /** The queue answers these, one list to a poll, then nothing. */
  const holds = (name: string, ...polls: (readonly object[])[]) => {
    const left = [...polls];
    on(ReceiveMessageCommand, { QueueUrl: url(name) }).callsFake(() => ({ Messages: left.shift() ?? [] }));
  };
  const open = (scanCountMax?: number) =>
    createSqsDeadLetters({
      client: new SQSClient({ region: 'eu-central-1' }),
      queues: [sourceOf('enrolment'), sourceOf('signing-pkcs11')],
      ...(scanCountMax === undefined ? {} : { scanCountMax }),
    });

  it('shows two dead letters of one body as one, with the deliveries of both (same-body)', async () => {
    holds('enrolment-dead', [dead('m1', 'a.1', 5), dead('m2', 'a.1', 9)], [dead('m3', 'b.1', 7)]);
    expect((await open().list({ countMax: 10 })).letters).toEqual([
      { id: 'enrolment.m2', queue: 'enrolment', body: 'a.1', receiveCount: 20, sentAt: 9 },
      { id: 'enrolment.m3', queue: 'enrolment', body: 'b.1', receiveCount: 10, sentAt: 7 },
    ]);
  });

  it('makes all that it looked at visible again, by the last handle of each (look-leaves-no-trace)', async () => {
    holds('enrolment-dead', [dead('m1', 'a.1', 5), { ...dead('m1', 'a.1', 5), ReceiptHandle: 'newer' }]);
    await open().list({ countMax: 10, queue: 'enrolment' });
    expect(inputs(ChangeMessageVisibilityBatchCommand)).toMatchObject([
      { QueueUrl: url('enrolment-dead'), Entries: [{ ReceiptHandle: 'newer', VisibilityTimeout: 0 }] },
    ]);
  });

  it('takes only a long poll that brings nothing for the end (short-polls-miss)', async () => {
    holds('enrolment-dead', [], [], [], [], [dead('m1', 'a.1', 5)]);
    expect((await open().list({ countMax: 10, queue: 'enrolment' })).letters).toHaveLength(1);
    expect(inputs(ReceiveMessageCommand).at(-1)).toMatchObject({ WaitTimeSeconds: 1 });
  });

  it('makes all visible again when the look fails half way (look-fails)', async () => {
    let polls = 0;
    on(ReceiveMessageCommand, { QueueUrl: url('enrolment-dead') }).callsFake(() => {
      polls += 1;
      if (polls === 2 || polls > 4)
        throw Object.assign(new Error('no'), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
      return { Messages: [dead(`m${polls}`, 'a.1', 5)] };
    });
    await expect(open().list({ countMax: 10, queue: 'enrolment' })).rejects.toMatchObject({ code: 'queue-denied' });
    expect(inputs(ChangeMessageVisibilityBatchCommand)).toMatchObject([{ Entries: [{}, {}, {}] }]);
  });

  it('looks at no more than its bound (scan-count-max)', async () => {
    let polls = 0;
    on(ReceiveMessageCommand, { QueueUrl: url('enrolment-dead') }).callsFake(() => {
      polls += 1;
      return { Messages: Array.from({ length: 10 }, (_, n) => dead(`m${polls}-${n}`, `${polls}-${n}.1`, 5)) };
    });
    expect((await open(50).list({ countMax: 1_000, queue: 'enrolment' })).letters.length).toBeLessThanOrEqual(80);
  });

  it('keeps no more of a body than tells that it is no issuance id (body-bytes-max)', async () => {
    holds('enrolment-dead', [dead('m1', 'x'.repeat(300_000), 5)]);
    expect((await open().get('enrolment.m1'))?.body).toHaveLength(1_025);
  });

  it('sends one back whole, then deletes it, and releases the others (redrive)', async () => {
    const poison = 'x'.repeat(300_000);
    holds('signing-pkcs11-dead', [dead('m1', 'a.1', 5), dead('m2', poison, 6)]);
    expect(await open().redrive('signing-pkcs11.m2')).toBe(true);
    expect(inputs(SendMessageBatchCommand)).toEqual([
      { QueueUrl: url('signing-pkcs11'), Entries: [{ Id: '0', MessageBody: poison, DelaySeconds: 0 }] },
    ]);
    expect(inputs(DeleteMessageCommand)).toEqual([
      { QueueUrl: url('signing-pkcs11-dead'), ReceiptHandle: 'handle-m2' },
    ]);
    expect(inputs(ChangeMessageVisibilityBatchCommand)).toMatchObject([{ Entries: [{ ReceiptHandle: 'handle-m1' }] }]);
  });

  it('deletes nothing that could not be sent back (redrive-send-fails)', async () => {
    holds('enrolment-dead', [dead('m1', 'a.1', 5)]);
    const Failed = [{ Id: '0', SenderFault: true, Code: 'InvalidMessageContents' }];
    on(SendMessageBatchCommand).resolves({ Failed } as never);
    await expect(open().redrive('enrolment.m1')).rejects.toMatchObject({ code: 'queue-refused' });
    expect(inputs(DeleteMessageCommand)).toEqual([]);
  });

  it('counts what waits by queue, those that are being looked at too (counts)', async () => {
    const answers = (name: string, visible: string, hidden: string) =>
      on(GetQueueAttributesCommand, { QueueUrl: url(name) }).resolves({
        Attributes: { ApproximateNumberOfMessages: visible, ApproximateNumberOfMessagesNotVisible: hidden },
      } as never);
    answers('enrolment-dead', '0', '0');
    answers('signing-pkcs11-dead', '2', '1');
    expect([...(await open().counts())]).toEqual([['signing-pkcs11', 3]]);
  });
});
