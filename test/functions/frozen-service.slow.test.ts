/** The real processes: the service is stopped for longer than connections and sessions like, under load, and goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { dns, freshName, pemOf, requestFor, signal, softHsmModule, startProcesses } from '../support/service.ts';

const frozenMs = 60_000;
const devices = 120;

it('a service that was frozen takes up everything it has accepted, with one certificate each (SIGSTOP)', async () => {
  const run = await startProcesses({ pkcs11Module: softHsmModule });
  try {
    const profiles = softHsmModule === undefined ? ['device'] : ['device', 'service'];
    const accepted: string[] = [];
    /** As a device does it: what is cut off, or was under way for longer than the service waits (408), is posted again, as is what ran out of time (503). */
    const post = async (n: number) => {
      const profile = profiles[n % profiles.length];
      const body = pemOf(requestFor([dns(freshName('frozen'))]));
      for (let tries = 0; ; tries++) {
        const answer = await fetch(`${run.url}/v1/enrollments?profile=${profile}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${run.tokens.device}`, 'content-type': 'application/pkcs10' },
          body,
        }).catch((cause: unknown) => cause);
        if (answer instanceof Response && answer.status !== 408 && answer.status !== 503) {
          expect([200, 202]).toContain(answer.status);
          accepted.push(((await answer.json()) as { readonly issuanceId: string }).issuanceId);
          return;
        }
        if (tries >= 5) throw answer instanceof Response ? new Error(`answered ${answer.status}`) : answer;
        await sleep(200);
      }
    };
    const posts = Array.from({ length: devices }, async (_, n) => {
      await sleep(n * 5);
      await post(n);
    });
    await sleep(150);
    signal(run.servicePid(), 'SIGSTOP');
    await sleep(frozenMs);
    signal(run.servicePid(), 'SIGCONT');
    await Promise.all(posts);

    const fingerprints = new Set<string>();
    for (const id of accepted) {
      for (let tries = 0; ; tries++) {
        const answer = await fetch(`${run.url}/v1/enrollments/${id}`, {
          headers: { authorization: `Bearer ${run.tokens.device}` },
        });
        const body = (await answer.json()) as { readonly fingerprint?: string };
        if (answer.status === 200) fingerprints.add(body.fingerprint!);
        if (answer.status === 200 || tries > 300) break;
        await sleep(100);
      }
    }
    expect(fingerprints.size).toBe(devices);
    const authorities = (await (await fetch(`${run.url}/v1/authorities`)).json()) as {
      readonly authorities: readonly { readonly tier: string; readonly outstanding: number }[];
    };
    const issued = authorities.authorities.filter(({ tier }) => tier === 'issuance');
    expect(issued.reduce((sum, { outstanding }) => sum + outstanding, 0)).toBe(devices);
    // Of requests that ran out of time while everything stood still it is told, and of nothing else.
    const alarms = run
      .log()
      .split('\n')
      .filter((line) => /"level":"(ERROR|CRITICAL)"/.test(line));
    expect(alarms.filter((line) => !line.includes('"name":"TimeoutError"'))).toEqual([]);
  } finally {
    await run.stop();
  }
  expect(await run.exited).toEqual({ code: 0, signal: null });
}, 240_000);
