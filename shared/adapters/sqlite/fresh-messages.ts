import type { QueueMessage } from '../../issuance/ports.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import {
  type MessageTable,
  parseReceipt,
  type QueueStore,
  type StoredMessage,
  type TakeOptions,
} from './queue-store.ts';
import type { Gathered } from './transaction.ts';

interface Fresh extends StoredMessage {
  visibleAt: EpochMs;
  receiveCount: number;
  delivery: number;
  lastError: string | undefined;
}

/**
 * The queues over their table, with the messages of the open transaction in memory: one that is sent, taken and acknowledged
 * before the COMMIT is never written, and what is left is stored with it as it then stands. So a message is as durable as
 * its transaction, and costs a table only where it outlives it.
 */
export function withFreshMessages(table: MessageTable): QueueStore & Gathered {
  const queues = new Map<number, Map<number, Fresh>>();

  function freshOf(queue: number): Map<number, Fresh> {
    let fresh = queues.get(queue);
    if (fresh === undefined) {
      fresh = new Map();
      queues.set(queue, fresh);
    }
    return fresh;
  }

  /** The message that a receipt stands for, while its time runs. */
  function held(queue: number, receipt: string, at: EpochMs): Fresh | undefined {
    const [number = 0, delivery = 0] = parseReceipt(receipt) ?? [];
    const message = queues.get(queue)?.get(number);
    return message !== undefined && message.delivery === delivery && message.visibleAt > at ? message : undefined;
  }

  function takeFresh(queue: number, at: EpochMs, countMax: number, visibilityMs: number): QueueMessage[] {
    const messages: QueueMessage[] = [];
    for (const message of queues.get(queue)?.values() ?? []) {
      if (messages.length >= countMax) break;
      if (message.visibleAt > at) continue;
      message.visibleAt = at + visibilityMs;
      message.receiveCount += 1;
      message.delivery += 1;
      const { body, delivery, message: number, receiveCount, sentAt } = message;
      messages.push({ messageId: String(number), body, receiveCount, sentAt, receipt: `${number}-${delivery}` });
    }
    return messages;
  }

  /** Of a message that was delivered too often the table makes a dead letter. */
  function storeGivenUp(queue: number, { at, redrive }: TakeOptions): void {
    if (redrive === undefined) return;
    for (const message of queues.get(queue)?.values() ?? []) {
      if (message.visibleAt > at || message.receiveCount < redrive.receiveCountMax) continue;
      table.store(queue, [message]);
      queues.get(queue)?.delete(message.message);
    }
  }

  function clear(): void {
    for (const fresh of queues.values()) fresh.clear();
  }

  return {
    ...table,
    send(queue, bodies, at, delayMs) {
      const fresh = freshOf(queue);
      let message = table.number(queue, bodies.length);
      for (const body of bodies) {
        const unread = { receiveCount: 0, delivery: 0, lastError: undefined };
        fresh.set(message, { message, body, sentAt: at, visibleAt: at + delayMs, ...unread });
        message += 1;
      }
    },
    take(queue, options) {
      const { at, countMax, visibilityMs } = options;
      storeGivenUp(queue, options);
      const { dead, messages } = table.hasVisible(queue, at) ? table.take(queue, options) : { dead: 0, messages: [] };
      if (messages.length === countMax) return { dead, messages };
      return { dead, messages: [...messages, ...takeFresh(queue, at, countMax - messages.length, visibilityMs)] };
    },
    remove(queue, receipts, at) {
      let count = 0;
      for (const receipt of receipts) {
        const message = held(queue, receipt, at);
        if (message === undefined) count += table.remove(queue, [receipt], at);
        else if (freshOf(queue).delete(message.message)) count += 1;
      }
      return count;
    },
    release(queue, receipts, at, delayMs, lastError) {
      for (const receipt of receipts) {
        const message = held(queue, receipt, at);
        if (message === undefined) {
          table.release(queue, [receipt], at, delayMs, lastError);
          continue;
        }
        message.visibleAt = at + delayMs;
        message.delivery += 1;
        message.lastError = lastError ?? message.lastError;
      }
    },
    hasVisible(queue, at) {
      for (const { visibleAt } of queues.get(queue)?.values() ?? []) if (visibleAt <= at) return true;
      return table.hasVisible(queue, at);
    },
    visibleNext(queue, at) {
      let next = table.visibleNext(queue, at);
      for (const { visibleAt } of queues.get(queue)?.values() ?? [])
        if (visibleAt > at && visibleAt < (next ?? Number.POSITIVE_INFINITY)) next = visibleAt;
      return next;
    },
    depth(queue, at) {
      let { inFlight, oldestAgeMs = 0, visible } = table.depth(queue, at);
      for (const { sentAt, visibleAt } of queues.get(queue)?.values() ?? []) {
        if (visibleAt <= at) visible += 1;
        else inFlight += 1;
        oldestAgeMs = Math.max(oldestAgeMs, at - sentAt);
      }
      return { inFlight, oldestAgeMs, visible };
    },
    keep: () => undefined,
    drop: () => undefined,
    write() {
      for (const [queue, fresh] of queues) table.store(queue, fresh.values());
      table.writeNumbers();
    },
    committed() {
      clear();
      table.numbersCommitted();
    },
    lost: clear,
  };
}
