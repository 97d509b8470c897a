import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SendMessageBatchCommandInput,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqsClient } from '../../shared/adapters/sqs/client.ts';
import { createSqsQueue } from '../../shared/adapters/sqs/queue.ts';

const queueUrl = 'https://sqs.eu-central-1.amazonaws.com/111122223333/work';

/** As the SDK throws it; no answer at all has no status. */
function serviceError(name: string, status?: number): Error {
  const $metadata = status === undefined ? { attempts: 1 } : { httpStatusCode: status };
  return Object.assign(new Error(`text of ${name}`), { name, $metadata });
}

const failed = (Id: string, Code: string, SenderFault: boolean): BatchResultErrorEntry => ({
  Id,
  Code,
  SenderFault,
  Message: `text of ${Code}`,
});
const done = (...ids: number[]) => ids.map((id) => ({ Id: String(id) }));
const all = ({ Entries = [] }: { readonly Entries?: readonly unknown[] | undefined }) => ({
  Successful: Entries.map((_, id) => ({ Id: String(id) })),
});

describe('a queue on SQS', () => {
  let mock: ReturnType<typeof mockClient>;
  let slept: number[];
  let now: number;
  beforeEach(() => {
    mock = mockClient(SQSClient as never);
    slept = [];
    now = 1_795_435_200_000;
  });
  afterEach(() => mock.restore());

  const open = (attemptsMax = 3) =>
    createSqsQueue({
      client: new SQSClient({ region: 'eu-central-1' }),
      queueUrl,
      clock: () => now,
      calls: { attemptsMax, random: () => 0.5, sleep: async (ms) => slept.push(ms) },
    });
  const on = (command: unknown) => mock.on(command as never);
  const inputs = <T>(command: unknown) =>
    mock.commandCalls(command as never).map((call) => (call.args[0] as { readonly input: unknown }).input as T);
  const sentBodies = () =>
    inputs<SendMessageBatchCommandInput>(SendMessageBatchCommand).map(({ Entries }) =>
      Entries?.map(({ MessageBody }) => MessageBody),
    );
  const ids = (count: number) => Array.from({ length: count }, (_, n) => `request-${n}.1`);
  const receipt = (handle: string, validMs = 30_000) => `${now + validMs}.${handle}`;

  describe('sending', () => {
    it('sends ten to a batch (SendMessageBatch)', async () => {
      on(SendMessageBatchCommand).callsFake(all);
      await open().send(ids(23));
      expect(sentBodies().map((bodies) => bodies?.length)).toEqual([10, 10, 3]);
      expect(sentBodies().flat()).toEqual(ids(23));
    });

    it('sends again the entries that SQS failed to take, and no others (partial-failure)', async () => {
      on(SendMessageBatchCommand)
        .resolvesOnce({ Successful: done(0, 2), Failed: [failed('1', 'InternalError', false)] } as never)
        .callsFake(all);
      await open().send(['a.1', 'b.1', 'c.1']);
      expect(sentBodies()).toEqual([['a.1', 'b.1', 'c.1'], ['b.1']]);
      expect(slept).toEqual([50]);
    });

    it('sends again an entry that was throttled, whoever is said to be at fault (partial-throttle)', async () => {
      on(SendMessageBatchCommand)
        .resolvesOnce({ Successful: done(0), Failed: [failed('1', 'RequestThrottled', true)] } as never)
        .callsFake(all);
      await open().send(['a.1', 'b.1']);
      expect(sentBodies()).toEqual([['a.1', 'b.1'], ['b.1']]);
    });

    it('takes an entry that the answer does not name for not sent (answer-incomplete)', async () => {
      on(SendMessageBatchCommand)
        .resolvesOnce({ Successful: done(0) } as never)
        .callsFake(all);
      await open().send(['a.1', 'b.1']);
      expect(sentBodies()).toEqual([['a.1', 'b.1'], ['b.1']]);
    });

    it('gives up an entry that fails each time, and says so (attempts-max)', async () => {
      on(SendMessageBatchCommand).resolves({ Failed: [failed('0', 'InternalError', false)] } as never);
      await expect(open().send(['a.1'])).rejects.toMatchObject({ name: 'QueueError', code: 'queue-unavailable' });
      expect(sentBodies()).toHaveLength(3);
    });

    it('rejects for an entry that SQS will never take, and has sent those beside it (sender-fault)', async () => {
      on(SendMessageBatchCommand).resolves({
        Successful: done(1),
        Failed: [failed('0', 'InvalidMessageContents', true)],
      } as never);
      await expect(open().send(['a.1', 'b.1'])).rejects.toMatchObject({ code: 'queue-refused' });
      expect(sentBodies()).toEqual([['a.1', 'b.1']]);
    });

    it('sends the entries of a batch that was refused as a whole one by one (batch-refused)', async () => {
      on(SendMessageBatchCommand).callsFake((input: SendMessageBatchCommandInput) => {
        if (input.Entries?.some(({ MessageBody }) => MessageBody === 'bad')) throw serviceError('InvalidChars', 400);
        return all(input);
      });
      await expect(open().send(['a.1', 'bad', 'b.1'])).rejects.toThrow('InvalidChars');
      expect(sentBodies()).toEqual([['a.1', 'bad', 'b.1'], ['a.1'], ['bad'], ['b.1']]);
    });

    it.each([
      ['RequestThrottled', 400],
      ['ThrottlingException', 400],
      ['com.amazonaws.sqs#RequestThrottled', 400],
      ['ServiceUnavailable', 503],
      ['TimeoutError', undefined],
    ])('tries again after %s, and waits longer each time (throttle)', async (name, status) => {
      on(SendMessageBatchCommand)
        .rejectsOnce(serviceError(name, status))
        .rejectsOnce(serviceError(name, status))
        .callsFake(all);
      await open().send(['a.1']);
      expect(sentBodies()).toHaveLength(3);
      expect(slept).toEqual([50, 100]);
    });

    it.each([
      ['RequestThrottled', 400, 'queue-throttled', 3],
      ['InternalFailure', 500, 'queue-unavailable', 3],
      ['QueueDoesNotExist', 400, 'queue-missing', 1],
      ['AWS.SimpleQueueService.NonExistentQueue', 400, 'queue-missing', 1],
      ['AccessDeniedException', 403, 'queue-denied', 1],
    ])('says what %s means after as many attempts as are worth it', async (name, status, code, attempts) => {
      on(SendMessageBatchCommand).rejects(serviceError(name, status));
      await expect(open().send(['a.1'])).rejects.toMatchObject({ name: 'QueueError', code });
      expect(sentBodies()).toHaveLength(attempts);
    });

    it('asks for whole seconds of delay, and for no less than was asked (DelaySeconds)', async () => {
      on(SendMessageBatchCommand).callsFake(all);
      const queue = open();
      for (const delayMs of [0, 1, 1_500, 900_000]) await queue.send(['a.1'], delayMs);
      expect(
        inputs<SendMessageBatchCommandInput>(SendMessageBatchCommand).map(({ Entries }) => Entries?.[0]?.DelaySeconds),
      ).toEqual([0, 1, 2, 900]);
      await expect(queue.send(['a.1'], 900_001)).rejects.toThrow(RangeError);
    });
  });

  describe('receiving', () => {
    const answer = (...handles: string[]) => ({
      Messages: handles.map((handle) => ({
        MessageId: `m-${handle}`,
        Body: `${handle}.1`,
        ReceiptHandle: handle,
        Attributes: { ApproximateReceiveCount: '2', SentTimestamp: '1795435000000' },
      })),
    });

    it('waits whole seconds, for the first ten alone (WaitTimeSeconds)', async () => {
      on(ReceiveMessageCommand)
        .resolvesOnce(answer(...ids(10)) as never)
        .resolvesOnce(answer('x') as never)
        .resolves({} as never);
      const messages = await open().receive({ countMax: 25, visibilityMs: 1_500, waitMsMax: 2_900 });
      expect(messages).toHaveLength(11);
      expect(messages[10]).toEqual({
        messageId: 'm-x',
        body: 'x.1',
        receiveCount: 2,
        sentAt: 1_795_435_000_000,
        receipt: `${now + 2_000}.x`,
      });
      expect(inputs(ReceiveMessageCommand)).toMatchObject([
        { MaxNumberOfMessages: 10, VisibilityTimeout: 2, WaitTimeSeconds: 2 },
        { MaxNumberOfMessages: 10, VisibilityTimeout: 2, WaitTimeSeconds: 0 },
        { MaxNumberOfMessages: 5, VisibilityTimeout: 2, WaitTimeSeconds: 0 },
        { MaxNumberOfMessages: 10, WaitTimeSeconds: 0 },
        { MaxNumberOfMessages: 4, WaitTimeSeconds: 0 },
      ]);
    });

    it('hands over what it has received when a further call fails (receive-partly)', async () => {
      on(ReceiveMessageCommand)
        .resolvesOnce(answer(...ids(10)) as never)
        .resolvesOnce(answer('x') as never)
        .rejects(serviceError('AccessDenied', 403));
      expect(await open().receive({ countMax: 100, visibilityMs: 1_000, waitMsMax: 0 })).toHaveLength(11);
    });

    it('looks twice in a wait of less than a second, and does not spin (wait-short)', async () => {
      on(ReceiveMessageCommand).resolves({} as never);
      expect(await open().receive({ countMax: 10, visibilityMs: 1_000, waitMsMax: 400 })).toEqual([]);
      expect(slept).toEqual([400]);
      expect(inputs(ReceiveMessageCommand)).toHaveLength(2);
    });

    it('tries again when too many messages are in flight (OverLimit)', async () => {
      on(ReceiveMessageCommand)
        .rejectsOnce(serviceError('OverLimit', 403))
        .resolves(answer('a') as never);
      expect(await open().receive({ countMax: 1, visibilityMs: 1_000, waitMsMax: 0 })).toHaveLength(1);
    });
  });

  describe('settling', () => {
    it('deletes by receipts that are good, each once (DeleteMessageBatch)', async () => {
      on(DeleteMessageBatchCommand).callsFake(all);
      await open().acknowledge([receipt('a'), receipt('b', 0), 'nonsense', receipt('a'), receipt('c')]);
      expect(inputs(DeleteMessageBatchCommand)).toMatchObject([
        { Entries: [{ ReceiptHandle: 'a' }, { ReceiptHandle: 'c' }] },
      ]);
    });

    it('uses no receipt whose time has ended: the message may be in other hands (receipt-expired)', async () => {
      const queue = open();
      const one = receipt('a', 1_000);
      now += 1_000;
      await queue.acknowledge([one]);
      await queue.release([one], 0);
      expect(mock.calls()).toHaveLength(0);
    });

    it('deletes again what failed to be deleted, and ignores a handle that is none (partial-failure)', async () => {
      on(DeleteMessageBatchCommand)
        .resolvesOnce({
          Successful: done(0),
          Failed: [failed('1', 'InternalError', false), failed('2', 'ReceiptHandleIsInvalid', false)],
        } as never)
        .callsFake(all);
      await open().acknowledge([receipt('a'), receipt('b'), receipt('c')]);
      expect(inputs(DeleteMessageBatchCommand)[1]).toMatchObject({ Entries: [{ ReceiptHandle: 'b' }] });
      expect(inputs(DeleteMessageBatchCommand)).toHaveLength(2);
    });

    it('rejects when a message could not be deleted: it will come again (delete-failed)', async () => {
      on(DeleteMessageBatchCommand).resolves({ Failed: [failed('0', 'RequestThrottled', false)] } as never);
      await expect(open().acknowledge([receipt('a')])).rejects.toMatchObject({ code: 'queue-throttled' });
    });

    it('releases after whole seconds, entry by entry (ChangeMessageVisibilityBatch)', async () => {
      on(ChangeMessageVisibilityBatchCommand)
        .resolvesOnce({
          Successful: done(0),
          Failed: [failed('1', 'MessageNotInflight', true), failed('2', 'ServiceUnavailable', false)],
        } as never)
        .callsFake(all);
      await open().release([receipt('a'), receipt('b'), receipt('c')], 1_001, 'CKR_DEVICE_ERROR');
      expect(inputs(ChangeMessageVisibilityBatchCommand)).toMatchObject([
        { Entries: [{ VisibilityTimeout: 2 }, { VisibilityTimeout: 2 }, { VisibilityTimeout: 2 }] },
        { Entries: [{ ReceiptHandle: 'c', VisibilityTimeout: 2 }] },
      ]);
    });

    it('rejects when a message could not be released for another reason (release-refused)', async () => {
      on(ChangeMessageVisibilityBatchCommand).resolves({
        Failed: [failed('0', 'UnsupportedOperation', true)],
      } as never);
      await expect(open().release([receipt('a')], 0)).rejects.toMatchObject({ code: 'queue-refused' });
    });
  });

  it('counts what is delayed as in flight, and leaves out what SQS does not tell (depth)', async () => {
    on(GetQueueAttributesCommand).resolves({
      Attributes: {
        ApproximateNumberOfMessages: '5',
        ApproximateNumberOfMessagesNotVisible: '3',
        ApproximateNumberOfMessagesDelayed: '2',
      },
    } as never);
    expect(await open().depth()).toEqual({ visible: 5, inFlight: 5 });
  });
});

it('shows the real credentials of a developer to no emulator (endpoint-credentials)', () => {
  expect(() => createSqsClient({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1' })).toThrow(RangeError);
});
