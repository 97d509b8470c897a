import { describe, expect, it } from 'vitest';
import { openToken, type Session } from '../../shared/adapters/pkcs11/token.ts';
import { type FakeToken, fakeToken } from '../support/fake-token.ts';
import { returnValue } from '../support/softhsm.ts';

const pin = 'correct horse battery';

function open(
  fake: FakeToken,
  tokenLabel: string,
  options: { readonly pin?: string; readonly sessionsMax?: number } = {},
) {
  const { sessionsMax = 3 } = options;
  return openToken({
    library: { path: `fake ${tokenLabel}` },
    tokenLabel,
    readPin: () => options.pin ?? pin,
    sessionsMax,
    openLibrary: fake.open,
  });
}

const handleOf = ({ handle }: Session) => handle;

describe('a PKCS #11 token', () => {
  it('logs in once for all its sessions, and uses idle ones again', async () => {
    const fake = fakeToken('once', pin);
    const token = open(fake, 'once');
    const [first] = await Promise.all([1, 2, 3].map(() => token.withSession(async (s) => handleOf(s))));
    expect(await token.withSession(handleOf)).toBeDefined();
    expect(fake.pinsTried).toEqual([pin]);
    expect(fake.sessions.size).toBe(3);
    expect(first).toBeDefined();
  });

  it('opens no more sessions than it may, and serves the rest in turn', async () => {
    const fake = fakeToken('bounded', pin);
    const token = open(fake, 'bounded', { sessionsMax: 2 });
    let atOnce = 0;
    let most = 0;
    const work = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
    };
    await Promise.all(Array.from({ length: 10 }, () => token.withSession(work)));
    expect(most).toBe(2);
    expect(fake.sessionsOpened).toBe(2);
  });

  it('gives a session to nobody else while it is held', async () => {
    const fake = fakeToken('exclusive', pin);
    const token = open(fake, 'exclusive');
    const held = new Set<string>();
    await Promise.all(
      Array.from({ length: 12 }, () =>
        token.withSession(async ({ handle }) => {
          const name = handle.toString('hex');
          expect(held.has(name)).toBe(false);
          held.add(name);
          await new Promise((resolve) => setImmediate(resolve));
          held.delete(name);
        }),
      ),
    );
  });

  it('tries a wrong PIN once and never again in this process', async () => {
    const fake = fakeToken('wrong', pin);
    const token = open(fake, 'wrong', { pin: 'wrong' });
    const failure = { kind: 'pin', code: 'CKR_PIN_INCORRECT' };
    await expect(token.withSession(handleOf)).rejects.toMatchObject(failure);
    await expect(token.withSession(handleOf)).rejects.toMatchObject(failure);
    await expect(open(fake, 'wrong').withSession(handleOf)).rejects.toMatchObject(failure);
    expect(fake.pinsTried).toEqual(['wrong']);
    expect(fake.sessions.size).toBe(0);
  });

  it('keeps the PIN out of what it throws', async () => {
    const fake = fakeToken('secret', pin);
    const token = open(fake, 'secret', { pin: 'not-to-be-seen' });
    const error: unknown = await token.withSession(handleOf).catch((cause: unknown) => cause);
    expect(`${(error as Error).message} ${(error as Error).stack}`).not.toContain('not-to-be-seen');
  });

  it('logs in and opens sessions anew after they became invalid', async () => {
    const fake = fakeToken('revived', pin);
    const token = open(fake, 'revived');
    const generation = await token.withSession((s) => s.generation);
    fake.restart();
    const lost = token.withSession(() => {
      throw returnValue('CKR_SESSION_HANDLE_INVALID');
    });
    await expect(lost).rejects.toMatchObject({ kind: 'session' });
    expect(await token.withSession((s) => s.generation)).toBe(generation + 1);
    expect(fake.pinsTried).toEqual([pin, pin]);
  });

  it('closes a session that another call still holds only when that call is done', async () => {
    const fake = fakeToken('held', pin);
    const token = open(fake, 'held');
    let finish = (): void => undefined;
    const held = token.withSession(
      ({ handle }) =>
        new Promise<boolean>((resolve) => {
          finish = () => resolve(fake.sessions.has(handle));
        }),
    );
    const failing = token.withSession(() => {
      throw returnValue('CKR_DEVICE_ERROR');
    });
    await expect(failing).rejects.toMatchObject({ kind: 'device' });
    finish();
    expect(await held).toBe(true);
    expect(fake.sessions.size).toBe(0);
  });

  it('says that a token is not there, and finds it when it is', async () => {
    const fake = fakeToken('absent', pin);
    fake.present = false;
    const token = open(fake, 'absent');
    await expect(token.withSession(handleOf)).rejects.toMatchObject({ kind: 'device', code: 'token-missing' });
    fake.present = true;
    await expect(token.withSession(handleOf)).resolves.toBeDefined();
  });

  it('keeps its sessions when a token is only busy', async () => {
    const fake = fakeToken('busy', pin);
    const token = open(fake, 'busy');
    const before = await token.withSession((s) => s.generation);
    const busy = token.withSession(() => {
      throw returnValue('CKR_FUNCTION_FAILED');
    });
    await expect(busy).rejects.toMatchObject({ kind: 'busy' });
    expect(await token.withSession((s) => s.generation)).toBe(before);
  });
});
